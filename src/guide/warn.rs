use token_budget_pool::{Builder, Crossed, InvalidThreshold, Threshold};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};

/// For a pool that warns at half of each limit and at 90 percent. So do its children. The warnings come out
/// of the channel.
pub fn warned(builder: Builder) -> Result<(Builder, UnboundedReceiver<Crossed>), InvalidThreshold> {
    let (sender, warnings) = unbounded_channel();
    let builder = builder
        .warn_at(Threshold::percent(50)?)
        .warn_at(Threshold::percent(90)?)
        // It runs in the task whose call crossed the threshold. So it sends, and waits for nothing.
        .on_crossed(move |crossed| {
            let _ = sender.send(*crossed);
        });
    Ok((builder, warnings))
}

/// Passes on each warning. Ends once the builder and all pools of the tree are gone.
pub async fn tell(mut warnings: UnboundedReceiver<Crossed>, mut notify: impl FnMut(Crossed)) {
    while let Some(crossed) = warnings.recv().await {
        notify(crossed);
    }
}
