use token_budget_pool::{Builder, Crossed, InvalidThreshold, Threshold};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver};

/// A pool that warns at half of each limit and at 90 percent, and so do its children. What it has to say comes
/// out of the channel.
pub fn warned(builder: Builder) -> Result<(Builder, UnboundedReceiver<Crossed>), InvalidThreshold> {
    let (sender, warnings) = unbounded_channel();
    let builder = builder
        .warn_at(Threshold::percent(50)?)
        .warn_at(Threshold::percent(90)?)
        // It runs in the task whose call has crossed. So it hands over, and waits for nothing.
        .on_crossed(move |crossed| {
            let _ = sender.send(*crossed);
        });
    Ok((builder, warnings))
}

/// Tells somebody of each warning. Ends once the builder and the pool are gone.
pub async fn tell(mut warnings: UnboundedReceiver<Crossed>, mut notify: impl FnMut(Crossed)) {
    while let Some(crossed) = warnings.recv().await {
        notify(crossed);
    }
}
