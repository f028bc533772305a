//! Budgets within budgets: an organisation, its teams, their runs, and the sub-agents of a run. Three
//! threads spend at the same time. Then the tree is printed, as an operator reads it.
//!
//! ```sh
//! cargo run --release --example tree
//! ```

use std::error::Error;
use std::thread;

use token_budget_pool::{BudgetPool, Child, Limits, Usage, Usd};

fn up_to(cents: u32) -> Limits {
    Limits::unlimited().cost(Usd::cents(cents))
}

/// Makes calls of so many cents each, one after the other. Each is reserved and settled on all levels.
/// Stops when one is refused, and says what refused it.
fn work(agent: &BudgetPool, cents: u32, calls: u64) {
    let estimate = Usage::tokens(2_000, 1_000).cost(Usd::cents(cents));
    for _ in 0..calls {
        match agent.try_reserve(estimate) {
            Ok(reservation) => {
                let _ = reservation.start().settle(estimate);
            }
            Err(rejected) => {
                println!("{} stops: {rejected}", agent.level());
                return;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let organisation = BudgetPool::new(up_to(10_000));
    let search = organisation.child(Child::new(up_to(6_000)).label("team search"))?;
    let support = organisation.child(Child::new(up_to(5_000)).label("team support"))?;
    let run = search.child(Child::new(up_to(2_000)).label("run 7"))?;
    let planner = run.child(Child::new(up_to(1_500)).label("planner"))?;
    let coder = run.child(Child::new(up_to(1_500)).label("coder"))?;
    let chat = support.child(Child::new(up_to(500)).label("run 8"))?;

    // The planner and the coder could spend 15 dollars each, but their run has 20 for both.
    thread::scope(|scope| {
        scope.spawn(|| work(&planner, 30, 40));
        scope.spawn(|| work(&coder, 50, 40));
        scope.spawn(|| work(&chat, 70, 5));
    });
    let call = chat.try_reserve(Usage::tokens(500, 500).cost(Usd::cents(20)))?;
    println!("\n{}\n", organisation.tree_snapshot());
    drop(call);

    // A run ends. What it spent stays counted in its team and in the organisation.
    let (spent, before) = (run.spent(), search.spent());
    drop((planner, coder));
    drop(run);
    assert_eq!(search.spent(), before);
    println!("run 7 has ended after ${}:\n", spent.cost);
    println!("{}", organisation.tree_snapshot());
    Ok(())
}
