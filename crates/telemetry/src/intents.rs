//! Intents whose time is taken: those that runs wait for, and those that show how the cluster is.

use prometheus::{Histogram, IntCounter};

use crate::counts::Counts;

/// One kind of intent.
pub(crate) struct Intent {
    pub(crate) seconds: Histogram,
    pub(crate) errors: IntCounter,
}

/// All of them, each with its label.
macro_rules! intents {
    ($($name:ident)*) => {
        pub(crate) struct Intents {
            $(pub(crate) $name: Intent,)*
        }

        impl Intents {
            /// Their counts, which begin at zero.
            pub(crate) fn of(counts: &Counts) -> Self {
                Self { $($name: Intent::of(counts, stringify!($name)),)* }
            }
        }
    };
}

intents! { accept claim append finish release heartbeat reap find_run load }

impl Intent {
    fn of(counts: &Counts, label: &str) -> Self {
        Self {
            seconds: counts.store_seconds.with_label_values(&[label]),
            errors: counts.store_errors.with_label_values(&[label]),
        }
    }
}
