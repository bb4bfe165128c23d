//! An agent's screen, as far as it says whether something may be typed there: whether its prompt is shown, and is empty.
//!
//! A pure reading of what tmux captures. What is not recognised is no prompt: a menu, a dialog, or a program of tomorrow.

/// The facts that stand in a line before a captured screen, as a format of tmux.
pub(super) const FACTS: &str = "#{cursor_x} #{cursor_y} #{session_attached} #{pane_in_mode}";

/// The signs that stand before what is typed: of Claude Code, Codex, Gemini CLI, others, and shells.
const MARKERS: [char; 7] = ['❯', '›', '*', '>', '$', '#', '%'];

/// The frame of OpenCode's prompt, which has no sign but this and two blanks.
const FRAME: char = '┃';

/// What programs propose at an empty prompt in a colour of their own, where others have it faint: Gemini CLI and OpenCode.
const PROPOSALS: [&str; 2] = ["Type your message or @", "Ask anything"];

/// How programs say, while they work, by which key that ends: Claude Code and Codex, Gemini CLI, OpenCode.
const WORKS: [&str; 3] = ["esc to interrupt", "esc to cancel", "esc interrupt"];

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Screen {
    /// The cursor's column and row, from 0.
    pub cursor: (usize, usize),
    /// Whether a person's terminal shows it.
    pub attached: bool,
    /// Whether tmux takes keys for itself, to scroll in it.
    pub scrolled: bool,
    rows: Vec<Vec<Cell>>,
}

/// A character on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    sign: char,
    /// Whether it is faint, as what a program proposes is.
    dim: bool,
}

/// What is at an agent's prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Nothing.
    Empty,
    /// Something that was not sent.
    Typed,
    /// The cursor is at no prompt.
    None,
}

impl Screen {
    /// Reads the line of [`FACTS`] and the screen after it, captured with its colours.
    pub fn parse(captured: &str) -> Option<Self> {
        let (facts, screen) = captured.split_once('\n').unwrap_or((captured, ""));
        let mut facts = facts.split(' ').map(str::parse::<usize>);
        let mut next = || facts.next()?.ok();
        let cursor = (next()?, next()?);
        let (attached, scrolled) = (next()? > 0, next()? > 0);
        Some(Self { cursor, attached, scrolled, rows: cells(screen) })
    }

    /// Whether its program says that it works.
    pub fn is_at_work(&self) -> bool {
        self.rows.iter().any(|row| {
            let text: String = row.iter().map(|cell| cell.sign).collect();
            WORKS.iter().any(|sign| text.contains(sign))
        })
    }

    /// What is at the prompt that the cursor is at.
    pub fn prompt(&self) -> Prompt {
        let (column, row) = self.cursor;
        let Some(cells) = self.rows.get(row) else { return Prompt::None };
        let Some((begin, end)) = field(cells) else { return Prompt::None };
        let is_typed = |cell: &Cell| is_shown(*cell) && !cell.dim;
        let below = self.rows.get(row + 1).map_or(&[][..], Vec::as_slice);
        let field = &cells[begin.min(end)..end];
        let text: String = field.iter().map(|cell| cell.sign).collect();
        if column != begin {
            // In a menu or a dialog the cursor is before the text, or nowhere.
            return if column > begin { Prompt::Typed } else { Prompt::None };
        }
        if below.iter().any(is_typed) {
            return Prompt::Typed;
        }
        if PROPOSALS.iter().any(|proposal| text.trim_start().starts_with(proposal)) {
            return Prompt::Empty;
        }
        // The cursor is painted over the first sign of what is proposed.
        let (under, rest) = field.split_first().map_or((None, field), |(under, rest)| (Some(under), rest));
        let is_proposal = under.is_none_or(|cell| !is_typed(cell)) || rest.iter().copied().any(is_shown);
        if is_proposal && !rest.iter().any(is_typed) { Prompt::Empty } else { Prompt::Typed }
    }
}

/// Whether something is written there, other than a frame.
fn is_shown(cell: Cell) -> bool {
    !cell.sign.is_whitespace() && !is_frame(cell.sign)
}

fn is_frame(sign: char) -> bool {
    matches!(sign, '\u{2500}'..='\u{259f}' | '|')
}

/// Where in the row of a prompt something is typed: from the column after its sign and a blank, to its end. None: it has no sign. A menu
/// has one, too, further in, at the entry that is chosen.
fn field(cells: &[Cell]) -> Option<(usize, usize)> {
    let first = cells.iter().position(|cell| !cell.sign.is_whitespace())?;
    if cells[first].sign == FRAME {
        return Some((first + 3, cells.len()));
    }
    let at = cells.iter().copied().position(is_shown)?;
    let indent = cells[..at].iter().filter(|cell| cell.sign.is_whitespace()).count();
    (MARKERS.contains(&cells[at].sign) && indent <= 1).then_some((at + 2, cells.len()))
}

/// The characters of a captured screen, without the sequences that colour them.
fn cells(text: &str) -> Vec<Vec<Cell>> {
    let (mut rows, mut row, mut dim) = (Vec::new(), Vec::new(), false);
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\n' => rows.push(std::mem::take(&mut row)),
            '\u{1b}' => match signs.next() {
                Some('[') => {
                    let mut sequence = String::new();
                    let last = signs.by_ref().find(|c| {
                        sequence.push(*c);
                        ('@'..='~').contains(c)
                    });
                    if last == Some('m') {
                        dim = is_dim(&sequence[..sequence.len() - 1], dim);
                    }
                }
                // A link: up to its end, by either of the two ways to write that.
                Some(']') => while signs.next().is_some_and(|c| c != '\u{7}' && c != '\\') {},
                // The choice of a set of characters.
                Some('(' | ')') => drop(signs.next()),
                _ => {}
            },
            sign if sign.is_control() => {}
            sign => row.push(Cell { sign, dim }),
        }
    }
    rows.push(row);
    rows
}

/// Whether what follows is faint, after these parameters of a sequence that says how it looks.
fn is_dim(parameters: &str, before: bool) -> bool {
    let mut dim = before;
    let mut numbers = parameters.split([';', ':']).map(|number| number.parse().unwrap_or(0));
    while let Some(number) = numbers.next() {
        match number {
            2 => dim = true,
            0 | 22 => dim = false,
            // A colour: one of a palette, or three parts.
            38 | 48 | 58 => match numbers.next() {
                Some(5) => drop(numbers.next()),
                Some(2) => drop(numbers.nth(2)),
                _ => {}
            },
            _ => {}
        }
    }
    dim
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prompt of a screen whose last rows are these, with the cursor in this column and row.
    fn prompt(column: usize, row: usize, rows: &str) -> Prompt {
        let rows = rows.replace("ESC", "\u{1b}");
        Screen::parse(&format!("{column} {row} 0 0\n{rows}")).unwrap().prompt()
    }

    // As they were seen of Claude Code 2.1.332, Codex 0.171.0, Gemini CLI 0.61.0 and OpenCode 1.18.33.
    const RULE: &str = "ESC[38;5;244m──────────";
    const CODEX: &str = "ESC[1m›ESC[0mESC[39mESC[49m";

    #[test]
    fn an_empty_prompt_is_known() {
        assert_eq!(prompt(2, 1, &format!("{RULE}\nESC[39m❯\u{a0}ESC[7m \n{RULE}")), Prompt::Empty);
        let busy = format!("{RULE}\nESC[38;5;246m❯ ESC[7mESC[39m ESC[0m\n{RULE}\nauto mode on · esc to interrupt");
        assert_eq!(prompt(2, 1, &busy), Prompt::Empty);
        let proposal = format!("{CODEX} ESC[2mAsk Codex to do anything\nESC[0m\n  GPT default");
        assert_eq!(prompt(2, 0, &proposal), Prompt::Empty);
        let painted = format!("{RULE}\n❯ ESC[7mTESC[0;2mry \"how does it work?\"\nESC[0m{RULE}");
        assert_eq!(prompt(2, 1, &painted), Prompt::Empty);
        assert_eq!(prompt(4, 1, "╭────╮\n│ > ESC[2mType your messageESC[0m  │\n╰────╯"), Prompt::Empty);
        assert_eq!(prompt(2, 0, "> "), Prompt::Empty);
        let gemini = "ESC[48;5;240m\n ESC[38;5;217m* ESC[7mESC[39m ESC[0mESC[38;5;248m Type your message or @path/to/file\nESC[39m";
        assert_eq!(prompt(3, 1, gemini), Prompt::Empty);
        let opencode = |line: &str| format!("   ┃\n   ┃  ESC[38;5;8m{line}ESC[38;5;15m   \n   ┃\n   ┃  Build");
        assert_eq!(prompt(6, 1, &opencode("Ask anything… \"What is it?\"")), Prompt::Empty);
        assert_eq!(prompt(6, 1, &opencode("")), Prompt::Empty);
        assert_eq!(prompt(8, 1, &opencode("hi")), Prompt::Typed);
    }

    #[test]
    fn what_is_typed_is_seen_wherever_the_cursor_is() {
        let claude = |line: &str| format!("{RULE}\nESC[39m❯ {line}\n{RULE}");
        assert_eq!(prompt(12, 1, &claude("half typedESC[7m ")), Prompt::Typed);
        assert_eq!(prompt(2, 1, &claude("ESC[7mhESC[0malf typed")), Prompt::Typed);
        assert_eq!(prompt(2, 1, &claude("ESC[7mhESC[0m")), Prompt::Typed, "one sign");
        assert_eq!(prompt(2, 0, &format!("{CODEX} half typed\n\n  GPT default")), Prompt::Typed);
        assert_eq!(prompt(2, 0, &format!("{CODEX} \n  the second line")), Prompt::Typed);
        assert_eq!(prompt(3, 0, "> x"), Prompt::Typed);
    }

    #[test]
    fn a_menu_or_a_dialog_is_no_prompt() {
        let model = "  Select model\n  ❯ 1. Default (recommended) ✔\n    2. Opus";
        assert_ne!(prompt(2, 1, model), Prompt::Empty);
        assert_ne!(prompt(4, 1, model), Prompt::Empty);
        assert_eq!(prompt(2, 1, "  NUDGE one…\n  ❯ ESC[3m(current)"), Prompt::None);
        assert_eq!(prompt(200, 1, "ESC[1;7m› 1. GPT (current)  Fast\n  2. Other"), Prompt::None);
        assert_ne!(prompt(2, 0, "❯ 1. Tabs\n  2. Spaces"), Prompt::Empty);
        assert_eq!(prompt(2, 0, "! ESC[7m "), Prompt::None, "what is typed would run as a command");
        assert_eq!(prompt(0, 3, "one row"), Prompt::None);
        assert_eq!(Screen::parse("no server"), None);
    }

    #[test]
    fn colours_are_no_faintness() {
        assert!(!is_dim("38;5;2", false) && !is_dim("38;2;2;2;2", false) && !is_dim("48;5;22;39", false));
        assert!(is_dim("0;2", false) && is_dim("38;5;246;2", false) && is_dim("1", true));
        assert!(!is_dim("", true) && !is_dim("0", true) && !is_dim("22", true));
    }

    #[test]
    fn a_program_that_works_says_so() {
        let screen = |text: &str| Screen::parse(&format!("0 0 1 0\n{text}")).unwrap();
        let codex = screen("\u{1b}[2mWorking\u{1b}[0m \u{1b}[2m(1s • \u{1b}[0;1mesc\u{1b}[0;2m to interrupt)");
        assert!(codex.is_at_work() && codex.attached && !codex.scrolled);
        assert!(!screen("all is quiet").is_at_work());
    }
}
