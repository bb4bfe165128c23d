//! How large a formula may become: a formula that is over a bound is refused with the bound's name, never cut.

/// A bound: the name that an error shows, and the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Its name in this file.
    pub name: &'static str,
    /// The most that is accepted.
    pub max: usize,
}

macro_rules! bounds {
    ($($(#[$doc:meta])* $name:ident = $max:expr;)*) => {
        $($(#[$doc])* pub const $name: Bound = Bound { name: stringify!($name), max: $max };)*
    };
}

bounds! {
    /// Bytes of one formula's text. The largest public formula has 160 KiB.
    TEXT_BYTES_MAX = 1 << 20;
    /// Tables and lists within each other. Children of children of a step take two each.
    NESTING_MAX = 48;
    /// Formulas that one cooking loads: parents, expansions and aspects.
    FORMULAS_MAX = 64;
    /// Parents above each other.
    EXTENDS_DEPTH_MAX = 16;
    /// Steps after expansion. The largest public formula has 1025.
    STEPS_MAX = 4096;
    /// Expansions within expansions, as Beads has it.
    EXPANSION_DEPTH_MAX = 5;
    /// Iterations of one loop.
    LOOP_ITERATIONS_MAX = 1000;
    /// Bytes of all the steps that expansion, loops, advice and filled-in values make.
    COOKED_BYTES_MAX = 16 << 20;
    /// Bytes of one text after placeholders and vars are filled in.
    FIELD_BYTES_MAX = 1 << 20;
    /// Bytes of an id or a name.
    NAME_BYTES_MAX = 256;
    /// Bytes of a condition, a range or a pattern.
    EXPRESSION_BYTES_MAX = 1024;
    /// Parentheses within each other, in a range.
    EXPRESSION_DEPTH_MAX = 32;
    /// Rules in one list: advice, pointcuts, and each list of `compose`. Each is tried on each step.
    RULES_MAX = 256;
    /// Vars of a formula, with its inputs.
    VARS_MAX = 512;
    /// Bytes of the value of a var.
    VALUE_BYTES_MAX = 64 << 10;
    /// Bytes of a compiled `pattern`; `\w` takes about 15 KiB.
    PATTERN_BYTES_MAX = 1 << 18;
    /// Warnings that are kept; the others are counted.
    WARNINGS_MAX = 100;
}
