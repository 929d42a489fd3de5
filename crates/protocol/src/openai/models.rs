//! The models that this gateway offers: its agents, in OpenClaw's shape.

use serde::Serialize;

/// A list of models.
#[derive(Debug, Serialize)]
pub struct ModelList<'a> {
    /// Always `list`.
    pub object: &'static str,
    /// The models.
    pub data: Vec<Model<'a>>,
}

/// A model: an agent of this gateway.
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    /// `openclaw`, `openclaw/default` or `openclaw/<agent id>`.
    pub id: &'a str,
    /// Always `model`.
    pub object: &'static str,
    /// Always 0: agents have no date.
    pub created: u64,
    /// Always `openclaw`, which clients look for.
    pub owned_by: &'static str,
    /// Always empty.
    pub permission: [(); 0],
}

impl<'a> Model<'a> {
    /// The model of this id.
    pub fn new(id: &'a str) -> Self {
        Self { id, object: "model", created: 0, owned_by: "openclaw", permission: [] }
    }
}
