use std::sync::Arc;

use token_budget_pool::{BudgetPool, Child, InvalidChild, Restore, TreeSnapshot};

/// A pool and those below it, for as long as this lives.
pub struct Tree {
    pub pool: Arc<BudgetPool>,
    pub children: Vec<Tree>,
}

/// Goes on counting from a snapshot of a whole tree, which `tree_snapshot()` of its root returned.
pub fn restore(saved: &TreeSnapshot) -> Result<Tree, InvalidChild> {
    let root = BudgetPool::builder()
        .restore(&saved.snapshot, Restore::ReservedAsSpent)
        .build();
    with_children(Arc::new(root), saved)
}

fn with_children(pool: Arc<BudgetPool>, saved: &TreeSnapshot) -> Result<Tree, InvalidChild> {
    let mut children = vec![];
    for saved in &saved.children {
        // What it spent is in the snapshots of the pools above already, and is not counted again.
        let child = pool.child_owned(Child::restored(saved, Restore::ReservedAsSpent))?;
        children.push(with_children(child, saved)?);
    }
    Ok(Tree { pool, children })
}

impl Tree {
    /// The pool that was saved under this label.
    pub fn find(&self, label: &str) -> Option<&Arc<BudgetPool>> {
        if self.pool.level().label() == label {
            return Some(&self.pool);
        }
        self.children.iter().find_map(|child| child.find(label))
    }
}
