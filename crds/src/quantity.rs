//! Quantities as Kubernetes writes them: `Bytes` of memory or disk (`512Mi`, `1.5Gi`, `800M`), and `Cpu` in cores (`2`,
//! `500m`). A whole number may be written as one, without quotes.
//!
//! Of what a `resource.Quantity` may be, only what people write of these: no exponents, no milli-bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The form of a quantity of bytes. Digits are bounded, so that their number fits 64 bits.
pub const PATTERN: &str = r"^[0-9]{1,12}(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$";

/// The form of a quantity of cores: whole ones, with at most three decimals, or thousandths.
pub const CPU_PATTERN: &str = r"^([0-9]{1,4}(\.[0-9]{1,3})?|[0-9]{1,7}m)$";

/// The greatest whole number that stands for bytes: what JSON keeps exactly.
const BYTES_MAX: u64 = 1 << 53;
/// The most cores that a whole number stands for.
const CORES_MAX: u64 = 9999;

/// The units, the largest first of each kind, in bytes.
const UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Bytes(pub u64);

/// A number of cores, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Cpu(pub u32);

/// A quantity, as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Text(String),
}

/// Text that is no quantity of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no quantity of bytes: write it as `512Mi` or `2Gi`")]
pub struct NotBytes(String);

impl FromStr for Bytes {
    type Err = NotBytes;

    fn from_str(text: &str) -> Result<Self, NotBytes> {
        let wrong = || NotBytes(text.to_owned());
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (number, unit) = unit.unwrap_or((text, 1));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let thousandths: u64 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
        Ok(Self(
            whole.saturating_mul(unit).saturating_add(unit / 1000 * thousandths + unit % 1000 * thousandths / 1000),
        ))
    }
}

impl TryFrom<Written> for Bytes {
    type Error = NotBytes;

    fn try_from(written: Written) -> Result<Self, NotBytes> {
        match written {
            Written::Whole(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse(),
        }
    }
}

/// Text that is no quantity of cores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no quantity of cores: write it as `2` or `500m`")]
pub struct NotCpu(String);

impl FromStr for Cpu {
    type Err = NotCpu;

    fn from_str(text: &str) -> Result<Self, NotCpu> {
        let wrong = || NotCpu(text.to_owned());
        let number = |digits: &str, most: usize| {
            let is_number = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| is_number).ok_or_else(wrong)
        };
        if let Some(thousandths) = text.strip_suffix('m') {
            return number(thousandths, 7).map(Self);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        number(fraction, 3)?;
        Ok(Self(number(whole, 4)? * 1000 + number(&format!("{fraction:0<3}"), 3)?))
    }
}

impl TryFrom<Written> for Cpu {
    type Error = NotCpu;

    fn try_from(written: Written) -> Result<Self, NotCpu> {
        match written {
            Written::Whole(cores) => cores.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<Cpu> for String {
    fn from(cpu: Cpu) -> Self {
        cpu.to_string()
    }
}

/// In whole cores, or in thousandths, as Kubernetes does.
impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

/// In the largest unit in which it is a whole number, as Kubernetes does.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().take(4).find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match whole {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Bytes {
    /// As people read it: in whole Mi, and from 10Gi on in whole Gi, rounded down.
    #[must_use]
    pub fn rounded(self) -> Self {
        let unit: u64 = if self.0 >= 10 << 30 { 1 << 30 } else { 1 << 20 };
        Self(self.0 / unit * unit)
    }
}

/// The schema of bytes; `kube` itself writes no bounds, and an apiserver refuses rules on unbounded text.
pub(crate) fn bytes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    quantity(PATTERN, BYTES_MAX)
}

/// The schema of cores.
pub(crate) fn cpu(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    quantity(CPU_PATTERN, CORES_MAX)
}

fn quantity(pattern: &str, max: u64) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true, "nullable": true, "minimum": 0, "maximum": max, "maxLength": 20, "pattern": pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_read_as_kubernetes_reads_it_and_written_in_its_own_form() {
        for (text, bytes, written) in [
            ("0", 0, "0"),
            ("1024", 1024, "1Ki"),
            ("512Mi", 512 << 20, "512Mi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("2Gi", 2 << 30, "2Gi"),
            ("800M", 800_000_000, "781250Ki"),
            ("1k", 1000, "1000"),
            ("1Ti", 1 << 40, "1Ti"),
        ] {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (bytes, written), "{text}");
        }
        assert_eq!("999999999999Ti".parse::<Bytes>().unwrap(), Bytes(u64::MAX));
    }

    #[test]
    fn what_is_no_quantity_of_bytes_is_refused_as_its_pattern_does() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for text in ["", "Gi", "1 Gi", "-1", "1e3", "1.2345Gi", "1.Gi", ".5Gi", "1gi", "100m", "1234567890123"] {
            assert!(text.parse::<Bytes>().is_err() && !pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn cores_are_read_as_kubernetes_reads_them_and_written_in_their_own_form() {
        for (text, thousandths, written) in [
            ("2", 2000, "2"),
            ("500m", 500, "500m"),
            ("1.5", 1500, "1500m"),
            ("0.25", 250, "250m"),
            ("2000m", 2000, "2"),
        ] {
            let read: Cpu = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (thousandths, written), "{text}");
        }
        let pattern = regex::Regex::new(CPU_PATTERN).unwrap();
        for text in ["", "m", "-1", "1.5m", "1e3", "1.2345", ".5", "2 ", "10000", "half"] {
            assert!(text.parse::<Cpu>().is_err() && !pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn a_whole_number_needs_no_quotes() {
        let read = serde_json::from_str::<(Bytes, Bytes, Cpu, Cpu)>(r#"[1048576, "1Mi", 2, "2"]"#).unwrap();
        assert_eq!(read, (Bytes(1 << 20), Bytes(1 << 20), Cpu(2000), Cpu(2000)));
        assert!(serde_json::from_str::<Cpu>("100000").is_err() && serde_json::from_str::<Bytes>("-1").is_err());
    }

    #[test]
    fn people_read_whole_mebibytes() {
        assert_eq!(Bytes((5 << 20) + 1).rounded().to_string(), "5Mi");
        assert_eq!(Bytes((21 << 30) + (5 << 20)).rounded().to_string(), "21Gi");
    }
}
