//! What becomes of bytes, by the state of the proxy and the direction.

use std::time::Duration;

use tokio::sync::watch;

/// The state of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Pass,
    Delay(Duration),
    Hold,
    BlackHole,
    LoseAnswers,
    Cut,
}

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Deliver,
    /// They wait for the next switch.
    Wait,
    Lose,
}

impl Mode {
    pub(super) fn fate(self, direction: Direction) -> Fate {
        match (self, direction) {
            (Self::Pass | Self::Delay(_), _) | (Self::LoseAnswers, Direction::ToServer) => Fate::Deliver,
            // Whoever watches over the connection resets it in a moment.
            (Self::Hold | Self::Cut, _) => Fate::Wait,
            (Self::BlackHole, _) | (Self::LoseAnswers, Direction::ToClient) => Fate::Lose,
        }
    }

    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            _ => Duration::ZERO,
        }
    }
}

/// Waits until the proxy is switched; for ever, if it is gone, because its connections end with it.
pub(super) async fn switched(modes: &mut watch::Receiver<Mode>) {
    if modes.changed().await.is_err() {
        std::future::pending().await
    }
}
