//! The Model Context Protocol over standard input and output: one worker without a listener.

use std::{io, sync::Arc};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    app::{
        AppError,
        parts::Parts,
        published::Published,
        reload::{Load, Reload},
        serve::{SWEEP, runtime, spawn, within},
        shutdown::{Running, Stop},
        trail::{Rollback, open_audit},
        upkeep::Upkeep,
    },
    audit::{Outcome, Recorder},
    config::Loaded,
    exchange::budget::Budget,
    mcp::{self, Identity, Mcp},
    store::FileStore,
};

/// Serves until standard input ends, or a signal asks for the end. `load` reads the configuration anew when it has changed.
///
/// # Errors
/// See [`AppError`].
pub fn run(loaded: Loaded, store: FileStore, identity: Identity, load: Load<'_>) -> Result<(), AppError> {
    let Loaded { config, origin } = loaded;
    let (audit, mut recorders) = open_audit(&config, &store, Rollback::Refuse, 2)?;
    let mut recorder = || recorders.pop().ok_or_else(|| io::Error::other("no recorder"));
    let (own, recorder) = (recorder()?, recorder()?);
    let records = store.load()?;
    let parts = Parts::new(&config, &store, &records, config.server.bind)?;
    let published = Arc::new(Published::new(parts, Arc::new(store), audit.memory().clone(), records, config));
    let mut upkeep = Upkeep::new(Arc::clone(&published), Reload::new(load, own, origin));
    let control = runtime()?;
    let mut running = within(&control, Running::new)?;
    let (stop, (end, mut ended)) = (running.stop(), oneshot::channel());
    spawn(move || drop(end.send(work(&published, recorder, identity, stop))))?;
    let worked = control.block_on(async {
        tokio::select! {
            done = &mut ended => done.ok(),
            () = running.until_signal(&mut upkeep) => {
                running.finish().await;
                match ended.try_recv() {
                    Ok(done) => Some(done),
                    Err(TryRecvError::Empty) => Some(Ok(())),
                    Err(TryRecvError::Closed) => None,
                }
            }
        }
    });
    let worked = worked.unwrap_or_else(|| Err(io::Error::other("the worker has ended in the middle of its work")));
    audit.close()?;
    upkeep.finish();
    Ok(worked?)
}

/// The worker's thread.
fn work(published: &Arc<Published>, recorder: Recorder, identity: Identity, mut stop: Stop) -> io::Result<()> {
    let (runtime, mut drained) = (runtime()?, stop.clone());
    let (exchange, office) = within(&runtime, || published.engine(recorder));
    let mcp = Mcp::new(Arc::clone(&exchange), office, Budget::default());
    let sweep = async {
        loop {
            tokio::time::sleep(SWEEP).await;
            exchange.sweep();
        }
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = mcp::stdio::serve(mcp, identity, async move { drained.requested().await }) => done,
            () = sweep => Ok(()),
            () = stop.cut() => Ok(()),
        }
    });
    exchange.finish();
    Outcome::interrupt_the_rest();
    drop(runtime);
    done
}
