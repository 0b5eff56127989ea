//! `config raft.heartbeat_interval 50ms`: any key of the nodes' configuration.
//!
//! The keys are those of the core's own type, found by looking at a preset as data, so that a new
//! key needs nothing here.

use std::net::SocketAddr;
use std::time::Duration;

use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, NodeId, RoleName, Zone};
use quorate_core::node::{Config, ConfigError, ValidConfig};
use serde_json::{Value, json};

use super::clause::{Clause, Parsed, shown};
use super::draft::Draft;
use super::problem::{Place, Problem, nearest};
use super::values;
use crate::plan::{Plan, Preset, Setting};
use crate::span::Span;
use crate::world::PRIMARY;

/// What a scenario says in its own words.
const OWN: [(&str, &str); 6] = [
    ("cluster", "every scenario has the cluster `sim`"),
    ("node", "say `nodes`"),
    ("address", "addresses are given by the simulator"),
    ("zone", "say `zones`"),
    ("voters", "say `voters`"),
    (
        "roles",
        "every scenario has the roles `primary` and `archive`",
    ),
];

impl Draft {
    /// Reads `KEY VALUE [on NODE]`.
    pub(super) fn setting(&mut self, place: Place, clause: &mut Clause<'_>) -> Parsed<()> {
        let keys = keys(&preset(Preset::Lan, 1));
        let at = clause.place();
        let said = values::name(clause, "a key, such as raft.heartbeat_interval", 80)?;
        let _ = clause.eat("=");
        let key = find(&said, &keys).map_err(|what| Problem { place: at, what })?;
        let value = match key.kind {
            Kind::Span if said.ends_with("_ms") && !values::is_span(clause) => {
                let ms = values::number(clause, "milliseconds", 0, 1 << 40)?;
                Span::from_ms(ms).to_string()
            }
            Kind::Span => values::span(clause)?.to_string(),
            Kind::Number => values::number(clause, "a number", 0, u64::MAX)?.to_string(),
            Kind::Switch => clause.one_of("a switch", &["true", "false"])?.to_string(),
            Kind::Name => values::name(clause, "a name", 80)?,
        };
        let node = if clause.eat("on") {
            match self.who(clause)? {
                crate::plan::Who::Node(node) => Some(node),
                crate::plan::Who::Part(_) => {
                    let what = "a part is played later; name a node".to_string();
                    let place = clause.before();
                    return Err(Problem { place, what });
                }
            }
        } else {
            None
        };
        let setting = Setting {
            key: key.name.clone(),
            value,
            node,
        };
        let same = |it: &&Setting| (&it.key, it.node) == (&setting.key, setting.node);
        if self.plan.settings.iter().any(|it| same(&it)) {
            let what = format!("`{}` is set twice", setting.key);
            return Err(Problem { place: at, what });
        }
        self.plan.settings.push(setting);
        self.settings.push(place);
        Ok(())
    }
}

/// A key of the configuration.
struct Key {
    name: String,
    kind: Kind,
}

/// What a key's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Span,
    Number,
    Switch,
    Name,
}

fn keys(config: &Config) -> Vec<Key> {
    let mut keys = Vec::new();
    if let Ok(Value::Object(all)) = serde_json::to_value(config) {
        let own = |name: &str| OWN.iter().any(|(own, _)| *own == name);
        for (name, value) in all.iter().filter(|(name, _)| !own(name)) {
            collect(name, value, &mut keys);
        }
    }
    keys
}

fn collect(name: &str, value: &Value, keys: &mut Vec<Key>) {
    let kind = match value {
        Value::Object(fields) if fields.contains_key("nanos") => Kind::Span,
        Value::Object(fields) => {
            for (field, value) in fields {
                collect(&format!("{name}.{field}"), value, keys);
            }
            return;
        }
        Value::Number(_) => Kind::Number,
        Value::Bool(_) => Kind::Switch,
        Value::String(_) => Kind::Name,
        Value::Null | Value::Array(_) => return,
    };
    let name = name.to_string();
    keys.push(Key { name, kind });
}

/// The key that is meant: by its name, or shortened to a beginning that only one key has; with
/// `_ms` behind it, of a length of time.
fn find<'a>(said: &str, keys: &'a [Key]) -> Result<&'a Key, String> {
    if let Some((_, instead)) = OWN.iter().find(|(own, _)| *own == said) {
        return Err(format!("`{said}` is no setting of a scenario: {instead}"));
    }
    if let Some(key) = keys.iter().find(|key| key.name == said) {
        return Ok(key);
    }
    let stem = said.strip_suffix("_ms").unwrap_or(said);
    let is_time = stem.len() < said.len();
    let mut alike = keys.iter().filter(|key| {
        key.name.starts_with(stem) && stem.contains('.') && (!is_time || key.kind == Kind::Span)
    });
    match (alike.next(), alike.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(
            match nearest(said, keys.iter().map(|key| key.name.as_str())) {
                Some(near) => format!("no key `{}`; did you mean `{near}`?", shown(said)),
                None => {
                    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
                    format!("no key `{}`; there are {}", shown(said), names.join(", "))
                }
            },
        ),
    }
}

fn preset(preset: Preset, node: u64) -> Config {
    let name = ClusterId::new("sim");
    let Ok(cluster) = name else {
        unreachable!("a constant name is valid");
    };
    let (node, address) = (NodeId(node), address(node, 0));
    let mut config = match preset {
        Preset::Lan => Config::lan(cluster, node, address),
        Preset::Wan => Config::wan(cluster, node, address),
        Preset::Local => Config::local(cluster, node, address),
    };
    // Runs are short: a dead voter must be replaced within one.
    config.electorate.replace_after = Duration::from_secs(4);
    config
}

/// The first byte of the addresses of nodes that have never moved.
pub const NET: u8 = 10;

/// Where a node listens after so many moves: its number makes up the lower three bytes.
#[must_use]
pub fn address(node: u64, moves: u8) -> SocketAddr {
    let [.., a, b, c] = node.to_be_bytes();
    SocketAddr::from(([NET.saturating_add(moves), a, b, c], 7000))
}

/// The configuration of a plan's node, after so many moves.
///
/// # Errors
/// The core's own validation refuses it.
pub fn config(plan: &Plan, node: u64, moves: u8) -> Result<ValidConfig, ConfigError> {
    let mut config = with_settings(plan, node);
    config.address = address(node, moves);
    config.voters = (1..=plan.voters).map(NodeId).collect();
    let zone = usize::try_from(node)
        .ok()
        .and_then(|node| plan.zones.get(node.wrapping_sub(1)));
    config.zone = zone.and_then(|zone| Zone::new(zone).ok());
    let role = |name: &str, placement| {
        let name = RoleName::new(name).ok()?;
        Some(RoleSpec { name, placement })
    };
    config.roles = [
        role(PRIMARY, Placement::Leader),
        role("archive", Placement::Voter),
    ]
    .into_iter()
    .flatten()
    .collect();
    config.validate()
}

fn with_settings(plan: &Plan, node: u64) -> Config {
    let config = preset(plan.preset, node);
    let mine = |it: &&Setting| it.node.is_none_or(|its| its == node);
    if !plan.settings.iter().any(|it| mine(&it)) {
        return config;
    }
    let Ok(mut data) = serde_json::to_value(&config) else {
        return config;
    };
    // A setting of one node goes before one of all.
    let (of_all, of_one): (Vec<_>, Vec<_>) = plan
        .settings
        .iter()
        .filter(mine)
        .partition(|it| it.node.is_none());
    for setting in of_all.into_iter().chain(of_one) {
        let pointer = format!("/{}", setting.key.replace('.', "/"));
        if let Some(slot) = data.pointer_mut(&pointer) {
            *slot = value(&setting.value, slot);
        }
    }
    serde_json::from_value(data).unwrap_or(config)
}

/// A setting's text as data of the shape that stands in its place.
fn value(text: &str, before: &Value) -> Value {
    match (before, Span::parse(text)) {
        (Value::Object(_), Some(span)) => {
            let span = Duration::from_nanos(span.ns());
            json!({ "secs": span.as_secs(), "nanos": span.subsec_nanos() })
        }
        (Value::Bool(_), _) => json!(text == "true"),
        (Value::Number(_), _) => json!(text.parse::<u64>().unwrap_or(0)),
        (Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_), _) => json!(text),
    }
}
