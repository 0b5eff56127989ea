//! What a node is asked, read and written.

use quorate_core::id::RoleName;

use super::clause::{Clause, Parsed};
use super::draft::Draft;
use super::problem::Problem;
use super::values;
use crate::plan::Question;

/// What can be asked.
const QUESTIONS: [&str; 16] = [
    "leave",
    "add-voter",
    "remove-voter",
    "transfer",
    "raise-level",
    "members",
    "status",
    "role",
    "grant",
    "release",
    "read",
    "write",
    "barrier",
    "set-state",
    "delete-state",
    "read-state",
];

impl Draft {
    /// What a node is asked.
    pub(super) fn question(&mut self, clause: &mut Clause<'_>) -> Parsed<Question> {
        let key = |clause: &mut Clause<'_>| values::name(clause, "a key", 128);
        Ok(match clause.one_of("a command", &QUESTIONS)? {
            "leave" => Question::Leave,
            "transfer" => Question::Transfer(self.heir(clause)?),
            "add-voter" => Question::AddVoter(self.numbered(clause)?),
            "remove-voter" => Question::RemoveVoter(self.numbered(clause)?),
            "raise-level" => {
                let to = values::number(clause, "a level", 1, u64::from(u8::MAX))?;
                Question::RaiseLevel(u8::try_from(to).unwrap_or(u8::MAX))
            }
            "members" => Question::Members,
            "status" => Question::Status,
            "role" => Question::Role(role(clause)?),
            "grant" => {
                let role = role(clause)?;
                clause.must("to")?;
                let to = self.numbered(clause)?;
                Question::Grant(role, to, under(clause)?)
            }
            "release" => Question::Release(role(clause)?, under(clause)?),
            "read" => Question::Read(key(clause)?),
            "write" => Question::Write(key(clause)?, values::name(clause, "a value", 200)?),
            "barrier" => Question::Barrier,
            "set-state" => Question::SetState(key(clause)?, values::name(clause, "a value", 200)?),
            "delete-state" => Question::DeleteState(key(clause)?),
            _ => Question::ReadState(key(clause)?),
        })
    }
}

fn role(clause: &mut Clause<'_>) -> Parsed<String> {
    let role = values::name(clause, "a role", 63)?;
    match RoleName::new(&role) {
        Ok(_) => Ok(role),
        Err(error) => {
            let (place, what) = (clause.before(), error.to_string());
            Err(Problem { place, what })
        }
    }
}

/// `under e7`: the epoch the role is held under, if whoever asks believes to know it.
fn under(clause: &mut Clause<'_>) -> Parsed<Option<u64>> {
    if !clause.eat("under") {
        return Ok(None);
    }
    let epoch = values::name(clause, "an epoch such as e7", 21)?;
    match epoch.strip_prefix('e').map(str::parse) {
        Some(Ok(epoch)) => Ok(Some(epoch)),
        Some(Err(_)) | None => {
            let what = format!("expected an epoch such as e7, found `{epoch}`");
            let place = clause.before();
            Err(Problem { place, what })
        }
    }
}

/// The words for it.
pub(super) fn asked(question: &Question) -> String {
    let under =
        |epoch: Option<u64>| epoch.map_or(String::new(), |epoch| format!(" under e{epoch}"));
    match question {
        Question::Leave => "leave".to_string(),
        Question::Transfer(None) => "transfer".to_string(),
        Question::Transfer(Some(to)) => format!("transfer to n{to}"),
        Question::AddVoter(node) => format!("add-voter n{node}"),
        Question::RemoveVoter(node) => format!("remove-voter n{node}"),
        Question::RaiseLevel(to) => format!("raise-level {to}"),
        Question::Members => "members".to_string(),
        Question::Status => "status".to_string(),
        Question::Role(role) => format!("role \"{role}\""),
        Question::Grant(role, to, epoch) => format!("grant \"{role}\" to n{to}{}", under(*epoch)),
        Question::Release(role, epoch) => format!("release \"{role}\"{}", under(*epoch)),
        Question::Read(key) => format!("read \"{key}\""),
        Question::Write(key, value) => format!("write \"{key}\" \"{value}\""),
        Question::Barrier => "barrier".to_string(),
        Question::SetState(key, value) => format!("set-state \"{key}\" \"{value}\""),
        Question::DeleteState(key) => format!("delete-state \"{key}\""),
        Question::ReadState(prefix) => format!("read-state \"{prefix}\""),
    }
}
