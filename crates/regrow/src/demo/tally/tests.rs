//! Histories in which one thing is wrong.

use std::collections::HashMap;

use super::*;
use crate::demo::plan::Wanted;

fn reply(place: usize, text: &str) -> String {
    format!(
        "I am Regrow's built-in demo model, so I only echo. This is message {place} of our conversation. You said: {text}"
    )
}

/// A conversation of two messages in which all went well.
fn well() -> History {
    let message = |place: usize| {
        let (key, run) = (format!("k{place}"), format!("run{place}"));
        let text = format!("{key} leaf");
        let reply = reply(place, &text);
        let told = Told { runs: vec![run.clone()], text: Some(reply.clone()), ..Told::default() };
        let message = Message { key, text, wanted: Wanted::Echo, at_once: false, words: 1 };
        (message, told, vec![Some((run.clone(), reply.clone())), Some((run, reply))])
    };
    let messages = vec![message(1), message(2)];
    let record = |place| Record { places: vec![place], ends: 1, done: true };
    let log = messages.iter().zip(1..).map(|((message, ..), place)| (message.text.clone(), record(place)));
    let log = Log { messages: log.collect(), stale: 0 };
    History { messages, log }
}

fn tally(change: impl FnOnce(&mut History)) -> Tally {
    let mut history = well();
    change(&mut history);
    Tally::of(&[well(), history])
}

/// What is broken: lost, duplicated, out of order, stale.
fn broken(change: impl FnOnce(&mut History)) -> [usize; 4] {
    let tally = tally(change);
    let breaks = [tally.lost, tally.duplicated, tally.out_of_order, tally.stale];
    assert_eq!(
        (tally.is_broken(), !tally.breaks.is_empty()),
        (breaks != [0; 4], breaks != [0; 4]),
        "{tally:?}"
    );
    breaks
}

fn record<'a>(history: &'a mut History, text: &str) -> &'a mut Record {
    history.log.messages.get_mut(text).unwrap()
}

#[test]
fn a_history_in_which_all_went_well_breaks_nothing() {
    let tally = tally(|_| {});
    let want = Tally { accepted: 4, answered: 4, asked_again: 8, ..Tally::default() };
    assert_eq!(tally, want);
    assert!(!tally.is_broken());
}

#[test]
fn what_is_lost_is_seen() {
    let no_reply = |history: &mut History| history.messages[1].1.text = None;
    assert_eq!(broken(no_reply), [1, 0, 0, 0]);
    assert_eq!(tally(no_reply).answered, 3);
    assert_eq!(
        broken(|h| h.messages[1].1.text = Some(reply(2, "k2 lea"))),
        [1, 1, 0, 0],
        "cut, and whole again"
    );
    assert_eq!(broken(|h| h.messages[0].2[1] = None), [1, 0, 0, 0]);
    assert_eq!(broken(|h| drop(h.log.messages.remove("k1 leaf"))), [1, 0, 0, 0]);
    assert_eq!(broken(|h| record(h, "k1 leaf").ends = 0), [1, 0, 0, 0]);
    assert_eq!(broken(|h| record(h, "k1 leaf").done = false), [1, 0, 0, 0]);
    assert_eq!(broken(|h| h.log.messages = HashMap::new()), [2, 0, 0, 0]);
}

#[test]
fn what_is_duplicated_is_seen() {
    assert_eq!(broken(|h| h.messages[1].1.runs.push("other".to_owned())), [0, 1, 0, 0]);
    assert_eq!(
        broken(|h| h.messages[1].2[1] = Some(("other".to_owned(), reply(2, "k2 leaf")))),
        [0, 1, 0, 0]
    );
    assert_eq!(broken(|h| h.messages[1].2[0] = Some(("run2".to_owned(), reply(3, "k2 leaf")))), [0, 1, 0, 0]);
    assert_eq!(broken(|h| record(h, "k2 leaf").places.push(3)), [0, 1, 0, 0]);
    assert_eq!(broken(|h| record(h, "k2 leaf").ends = 2), [0, 1, 0, 0]);
    let stranger = Record { places: vec![3], ends: 1, done: true };
    assert_eq!(broken(|h| drop(h.log.messages.insert("x".to_owned(), stranger))), [0, 1, 0, 0]);
}

#[test]
fn a_wrong_order_is_seen() {
    let swapped = |history: &mut History| {
        for (position, place) in [(0, 2), (1, 1)] {
            let (message, told, again) = &mut history.messages[position];
            let text = reply(place, &message.text);
            again.iter_mut().flatten().for_each(|(_, again)| again.clone_from(&text));
            told.text = Some(text);
        }
    };
    assert_eq!(broken(swapped), [0, 0, 2, 0]);
    assert_eq!(tally(swapped).answered, 2);
    let recorded = |history: &mut History| {
        record(history, "k1 leaf").places = vec![2];
        record(history, "k2 leaf").places = vec![1];
    };
    assert_eq!(broken(recorded), [0, 0, 2, 0]);
    assert_eq!(broken(|h| h.log.stale = 3), [0, 0, 0, 3]);
}

#[test]
fn what_nobody_accepted_is_no_broken_promise() {
    let tally = tally(|history| {
        history.messages[1].1 = Told { error: Some("no room".to_owned()), ..Told::default() };
        history.messages[1].2.clear();
        history.log.messages.remove("k2 leaf");
    });
    assert_eq!((tally.refused, tally.accepted, tally.is_broken()), (1, 3, false));
    assert_eq!(tally.breaks, ["k2: refused: no room"]);
}
