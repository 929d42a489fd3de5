//! One figure, and how it is written.

use serde::Serialize;

use super::goals::{self, Goal, Goals};

/// One figure. It has a value or a reason why it has none.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its name for programs; it stays the same.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its unit; empty for a bare number.
    pub unit: &'static str,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
    /// What it shall be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Whether it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// What OpenClaw needs, in the same unit or in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openclaw: Option<&'static str>,
}

impl Figure {
    pub(super) fn new(
        goals: Goals,
        id: String,
        name: String,
        unit: &'static str,
        value: Result<f64, String>,
    ) -> Self {
        let goal = goals::goal(goals, &id);
        let openclaw = goals::openclaw(&id);
        let (value, absent) = match value {
            Ok(value) => (Some(value), None),
            Err(why) => (None, Some(why)),
        };
        let met = goal.zip(value).map(|(goal, value)| goal.is_met(value));
        Self { id, name, unit, value, absent, goal, met, openclaw }
    }

    /// The cells of a table: name, value, goal, whether it is met, OpenClaw's.
    pub(super) fn cells(&self) -> [String; 5] {
        let with_unit =
            |text: String| if self.unit.is_empty() { text } else { format!("{text} {}", self.unit) };
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        [
            self.name.clone(),
            self.value.map_or_else(|| "absent".to_owned(), |value| with_unit(number(value))),
            self.goal.map(|goal| goal.to_string()).unwrap_or_default(),
            met.to_owned(),
            self.openclaw.unwrap_or_default().to_owned(),
        ]
    }
}

/// A number with three or more significant digits and commas between thousands.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || value == value.trunc() => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let digits_end = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (at, digit) in text.char_indices() {
        let left = digits_end.saturating_sub(at);
        if at > 0 && left > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_precise_as_they_are_read() {
        let written = [0.0, 0.0567, -0.25, 1.234, 12.34, 150.0, 999.6, 2_817.3, -1_234_567.0].map(number);
        assert_eq!(written, ["0", "0.057", "-0.250", "1.23", "12.3", "150", "1,000", "2,817", "-1,234,567"]);
    }

    #[test]
    fn what_is_absent_is_neither_zero_nor_met() {
        let none = Err("no process".into());
        let figure = Figure::new(goals::SQLITE, "memory.idle".into(), "idle".into(), "MB", none);
        assert_eq!((figure.value, figure.met), (None, None));
        assert_eq!(figure.cells(), ["idle", "absent", "≤ 25", "", "950"]);
        let json = serde_json::to_value(&figure).unwrap();
        assert_eq!((json.get("value"), json["absent"].as_str()), (None, Some("no process")));
    }
}
