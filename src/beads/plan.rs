//! A plan in Markdown, as `bd create -f plan.md` takes it: each heading of the second level is a bead, headings of the third level are
//! its fields.
//!
//! ```text
//! ## Rotate session tokens
//! What is to be done, in full.
//! ### Priority
//! P1
//! ### Dependencies
//! Log out everywhere, discovered-from:shop-a3f
//! ```
//!
//! As in Beads, a dependency names a bead by its id; here also another one of the plan, by its title. Text inside a fenced block is never
//! read as a heading.

use crate::words;

/// The longest plan, in bytes.
pub const PLAN_BYTES_MAX: usize = 1 << 20;
/// The most beads of a plan.
pub const BEADS_MAX: usize = 1000;

/// The fields that a heading of the third level may name; others are a part of the description.
const SECTIONS: [(Section, &[&str]); 10] = [
    (Section::Priority, &["priority"]),
    (Section::Type, &["type"]),
    (Section::Description, &["description"]),
    (Section::Design, &["design"]),
    (Section::Acceptance, &["acceptance criteria", "acceptance"]),
    (Section::Notes, &["notes"]),
    (Section::Assignee, &["assignee"]),
    (Section::Labels, &["labels"]),
    (Section::Dependencies, &["dependencies", "deps", "needs"]),
    (Section::Parent, &["parent"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Loose,
    Priority,
    Type,
    Description,
    Design,
    Acceptance,
    Notes,
    Assignee,
    Labels,
    Dependencies,
    Parent,
}

/// One bead of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// The line of its heading, from 1.
    pub line: usize,
    /// What is to be done, in a line.
    pub title: String,
    /// The same in full.
    pub description: String,
    /// How it is to be done.
    pub design: String,
    /// How one sees that it is done.
    pub acceptance: String,
    /// Notes.
    pub notes: String,
    /// 0 (first) to 4 (last).
    pub priority: Option<u32>,
    /// The type, in Beads' words.
    pub type_: Option<String>,
    /// Who has it.
    pub assignee: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// Ties: the type and the other bead, by its id or its title.
    pub dependencies: Vec<(String, String)>,
    /// What it is a part of, by its id or its title.
    pub parent: Option<String>,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PlanError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a plan.
pub fn parse(text: &str) -> Result<Vec<Planned>, PlanError> {
    let wrong = |line, message: String| Err(PlanError { line, message });
    if text.len() > PLAN_BYTES_MAX {
        return wrong(1, format!("the plan is longer than {PLAN_BYTES_MAX} bytes"));
    }
    let mut plan: Vec<Planned> = Vec::new();
    let mut section = (Section::Loose, 0, String::new());
    let mut fence: Option<String> = None;
    for (nth, line) in text.lines().enumerate() {
        let number = nth + 1;
        let mark = line.trim_start();
        if let Some(open) = &fence {
            if mark.starts_with(open.as_str()) && mark.trim_start_matches(['`', '~']).trim().is_empty() {
                fence = None;
            }
        } else if mark.starts_with("```") || mark.starts_with("~~~") {
            fence = Some(mark.chars().take_while(|c| matches!(c, '`' | '~')).collect());
        } else if let Some(title) = line.strip_prefix("## ") {
            end(&mut plan, &mut section)?;
            if plan.len() == BEADS_MAX {
                return wrong(number, format!("the plan has more than {BEADS_MAX} beads"));
            }
            let title = title.trim().trim_end_matches('#').trim().to_owned();
            if title.is_empty() || title.chars().count() > 500 {
                return wrong(number, "a title has 1 to 500 characters".to_owned());
            }
            plan.push(Planned { line: number, title, ..Planned::default() });
            section = (Section::Loose, number, String::new());
            continue;
        } else if let Some(name) = line.strip_prefix("### ") {
            let name = name.trim().trim_end_matches(':').to_lowercase();
            if let Some((found, _)) = SECTIONS.iter().find(|(_, names)| names.contains(&name.as_str())) {
                end(&mut plan, &mut section)?;
                section = (*found, number, String::new());
                continue;
            }
        }
        section.2.push_str(line);
        section.2.push('\n');
    }
    end(&mut plan, &mut section)?;
    if plan.is_empty() {
        return wrong(1, "there is no bead in it: each is a heading of the second level, `## Title`".to_owned());
    }
    Ok(plan)
}

/// Puts the text of a section where it belongs.
fn end(plan: &mut [Planned], section: &mut (Section, usize, String)) -> Result<(), PlanError> {
    let (section, line, text) = std::mem::replace(section, (Section::Loose, 0, String::new()));
    // What stands before the first bead is for people.
    let Some(bead) = plan.last_mut() else { return Ok(()) };
    let text = text.trim();
    let wrong = |message: String| PlanError { line, message };
    let first = || text.lines().next().unwrap_or_default().trim().trim_start_matches(['-', '*']).trim().to_owned();
    match section {
        Section::Loose | Section::Description => join(&mut bead.description, text),
        Section::Design => join(&mut bead.design, text),
        Section::Acceptance => join(&mut bead.acceptance, text),
        Section::Notes => join(&mut bead.notes, text),
        Section::Priority | Section::Type if text.is_empty() => {}
        Section::Priority => bead.priority = Some(words::priority(&first()).map_err(wrong)?),
        Section::Type => {
            let word = first();
            if words::type_of(&word).is_none() {
                return Err(wrong(format!("`{word}` cannot be a type")));
            }
            bead.type_ = Some(word);
        }
        Section::Assignee => bead.assignee = Some(first()).filter(|it| !it.is_empty()),
        Section::Parent => bead.parent = Some(first()).filter(|it| !it.is_empty()),
        Section::Labels => {
            let labels = text.split([',', '\n', ' ']).map(|it| it.trim_matches(['-', '*', ' ', '`']));
            bead.labels.extend(labels.filter(|it| !it.is_empty()).map(str::to_owned));
        }
        Section::Dependencies => {
            let ties =
                text.split([',', '\n']).map(|it| it.trim().trim_start_matches(['-', '*']).trim().trim_matches('`'));
            bead.dependencies.extend(ties.filter(|it| !it.is_empty()).map(tie));
        }
    }
    Ok(())
}

/// `TYPE:BEAD`, or a bead that must be closed first.
pub fn tie(text: &str) -> (String, String) {
    match text.split_once(':') {
        Some((type_, bead)) if !type_.contains(' ') && !bead.trim().is_empty() && type_ != "external" => {
            let type_ = if type_ == "depends-on" { "blocks" } else { type_ };
            (type_.to_owned(), bead.trim().to_owned())
        }
        _ => ("blocks".to_owned(), text.to_owned()),
    }
}

fn join(to: &mut String, text: &str) {
    if !to.is_empty() && !text.is_empty() {
        to.push_str("\n\n");
    }
    to.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plan_is_a_list_of_headings_with_their_fields() {
        let plan = parse(
            "# Sessions\n\nAn idea.\n\n## Rotate tokens\n\nEach day.\n\n```sh\n## no heading\n```\n### Priority\nP1\n### Type\nbug\n\
             ### Acceptance Criteria\n- an old token is refused\n### Labels\nauth, api\n## Log out everywhere\n### Dependencies\n\
             - Rotate tokens\n- discovered-from:shop-a3f\n### Open questions\nWho knows?\n",
        )
        .unwrap();
        assert_eq!(plan.len(), 2);
        assert_eq!((plan[0].line, plan[0].title.as_str(), plan[0].priority), (5, "Rotate tokens", Some(1)));
        assert_eq!(plan[0].description, "Each day.\n\n```sh\n## no heading\n```");
        assert_eq!((plan[0].acceptance.as_str(), plan[0].type_.as_deref()), ("- an old token is refused", Some("bug")));
        assert_eq!(plan[0].labels, ["auth", "api"]);
        let ties = [("blocks", "Rotate tokens"), ("discovered-from", "shop-a3f")];
        assert_eq!(plan[1].dependencies[..2], ties.map(|(how, to)| (how.to_owned(), to.to_owned())));
    }

    #[test]
    fn a_mistake_is_said_with_its_line() {
        let wrong = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(wrong("## A\n### Priority\nhigh\n"), "line 2: a priority is 0 (first) to 4 (last)");
        assert_eq!(wrong("## A\n\n### Type\ntwo words\n"), "line 3: `two words` cannot be a type");
        assert!(wrong("# Only a title\n").starts_with("line 1: there is no bead in it"));
        assert_eq!(wrong("x\n## \n"), "line 2: a title has 1 to 500 characters");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[#a-z`~:,\\- \n]{0,200}") {
            let _either = parse(&text);
        }
    }
}
