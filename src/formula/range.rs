//! Ranges of loops: `1..2^{disks}`, whole numbers with + - * / ^, parentheses and `{var}`.

use crate::bounds::EXPRESSION_DEPTH_MAX;

/// Gives the value of a var, or the reason why it has none.
type Lookup<'a> = &'a dyn Fn(&str) -> Result<i64, String>;

/// Whether a text is a range; what its vars are is not known yet.
pub(crate) fn check(text: &str) -> Result<(), String> {
    evaluate(text, None).map(drop)
}

/// The first and last number. Without `lookup` only the form is checked.
pub(crate) fn evaluate(text: &str, lookup: Option<Lookup<'_>>) -> Result<(i64, i64), String> {
    let (start, end) = text.split_once("..").ok_or("it must be like `1..10`")?;
    Ok((expression(start, lookup)?, expression(end, lookup)?))
}

fn expression(text: &str, lookup: Option<Lookup<'_>>) -> Result<i64, String> {
    let mut reader = Reader { rest: text, depth: 0, lookup };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(c) => Err(format!("unexpected `{c}`")),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    lookup: Option<Lookup<'a>>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let c = self.peek().filter(|c| wanted.contains(c))?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn sum(&mut self) -> Result<i64, String> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(&['+', '-']) {
            let other = self.product()?;
            value = self.result(if operator == '+' { value.checked_add(other) } else { value.checked_sub(other) })?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut value = self.power()?;
        while let Some(operator) = self.take(&['*', '/']) {
            let other = self.power()?;
            value = self.result(if operator == '*' { value.checked_mul(other) } else { value.checked_div(other) })?;
        }
        Ok(value)
    }

    /// Binds to the right: `2^3^2` is 2^9.
    fn power(&mut self) -> Result<i64, String> {
        let base = self.atom()?;
        if self.take(&['^']).is_none() {
            return Ok(base);
        }
        let exponent = self.deeper(Self::power)?;
        self.result(u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)))
    }

    fn atom(&mut self) -> Result<i64, String> {
        if self.take(&['-']).is_some() {
            let value = self.deeper(Self::atom)?;
            return self.result(value.checked_neg());
        }
        if self.take(&['(']).is_some() {
            let value = self.deeper(Self::sum)?;
            return self.take(&[')']).map(|_| value).ok_or_else(|| "a `(` is not closed".to_owned());
        }
        if self.take(&['{']).is_some() {
            let (name, rest) = self.rest.split_once('}').ok_or("a `{` is not closed")?;
            self.rest = rest;
            let name = name.trim();
            if !crate::fill::is_name(name) {
                return Err(format!("`{{{name}}}` names no var"));
            }
            return self.lookup.map_or(Ok(1), |lookup| lookup(name));
        }
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().map_err(|_| match number {
            "" => "a number is missing".to_owned(),
            _ => format!("the number {number} is too large"),
        })
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<i64, String>) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX.max {
            return Err(format!("over the bound {} of {}", EXPRESSION_DEPTH_MAX.name, EXPRESSION_DEPTH_MAX.max));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// While vars have no values, a result that cannot be is no mistake yet.
    fn result(&self, value: Option<i64>) -> Result<i64, String> {
        match (value, self.lookup) {
            (Some(value), _) => Ok(value),
            (None, None) => Ok(1),
            (None, Some(_)) => Err("the result is too large, or divided by zero".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<(i64, i64), String> {
        let lookup = |name: &str| if name == "disks" { Ok(3) } else { Err(format!("`{name}` has no value")) };
        evaluate(text, Some(&lookup))
    }

    #[test]
    fn a_range_is_computed_from_numbers_and_vars() {
        assert_eq!(range("1..10"), Ok((1, 10)));
        assert_eq!(range("{disks} .. 2^{disks}-1"), Ok((3, 7)));
        assert_eq!(range("-(1+2)*2..(7-3)/2"), Ok((-6, 2)));
        assert_eq!(range("0..2^3^2"), Ok((0, 512)));
        assert_eq!(range("0..10-3-2"), Ok((0, 5)));
    }

    #[test]
    fn what_is_no_range_says_why() {
        let why = |text| range(text).unwrap_err();
        assert_eq!(why("3"), "it must be like `1..10`");
        assert_eq!(why("1..x"), "a number is missing");
        assert_eq!(why("1..(2"), "a `(` is not closed");
        assert_eq!(why("1..{pegs}"), "`pegs` has no value");
        assert_eq!(why("1..1/0"), "the result is too large, or divided by zero");
        assert_eq!(why("1..9^99"), "the result is too large, or divided by zero");
        assert_eq!(why("1..2 3"), "unexpected `3`");
        assert_eq!(why(&format!("1..{}1", "(".repeat(40))), "over the bound EXPRESSION_DEPTH_MAX of 32");
    }

    #[test]
    fn the_form_is_checked_before_vars_have_values() {
        assert_eq!(check("1..{n}/({n}-{n})"), Ok(()));
        assert!(check("1..{n").is_err());
    }
}
