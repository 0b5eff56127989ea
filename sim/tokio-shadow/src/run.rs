//! One run, from the first node to the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::Runtime;
use madsim::time::sleep;
use quorate_sim::plan::Plan;

use crate::cluster::Cluster;
use crate::faults::{self, Step};
use crate::verdict::{self, Report};

/// How often the end of the last request is looked for.
const TICK: Duration = Duration::from_millis(1);

/// Runs a plan. Each run has a thread of its own: a second one on the same thread would find other
/// hash keys.
pub fn on_a_fresh_thread(plan: Plan) -> Report {
    let thread = std::thread::Builder::new()
        .name("madsim".into())
        .spawn(move || {
            let runtime = Runtime::with_seed_and_config(plan.seed, madsim::Config::default());
            runtime.block_on(live(plan))
        });
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(report)) => report,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => panic!("no thread to run on: {error}"),
    }
}

async fn live(plan: Plan) -> Report {
    let plan = Arc::new(plan);
    let mut cluster = Cluster::start(&plan);
    let mut steps: BTreeMap<(u64, usize), Step> = BTreeMap::new();
    for (number, strike) in plan.faults.iter().enumerate() {
        steps.insert(
            (strike.at.ms(), number),
            Step::Strike(number, strike.clone()),
        );
    }
    let (heal_ms, end_ms) = (plan.heal.unwrap_or(plan.end).ms(), plan.end.ms());
    let (mut now_ms, mut number) = (0, steps.len());
    while let Some(((at_ms, _), step)) = steps.pop_first() {
        if at_ms >= heal_ms {
            break;
        }
        cluster.pass(at_ms.saturating_sub(now_ms)).await;
        now_ms = at_ms;
        for (after_ms, next) in faults::take(&mut cluster, &step) {
            number += 1;
            steps.insert((now_ms + after_ms, number), next);
        }
    }
    cluster.pass(heal_ms.saturating_sub(now_ms)).await;
    cluster.heal_everything();
    let healed = cluster.acknowledged();
    cluster.pass(end_ms - heal_ms).await;
    cluster.stop_clients();
    // The clients end with an answer to their last request.
    while cluster.clients_are_busy() {
        sleep(TICK).await;
        if cluster.elapsed_ms() > end_ms + verdict::PATIENCE_MS {
            break;
        }
    }
    verdict::judge(&plan, &cluster, healed).await
}
