//! Parameters of statements, which know their own types: a statement that is not prepared has to say them.

use std::borrow::Cow;
use std::time::SystemTime;

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A value that a parameter can have.
pub(super) trait Value: ToSql + Sync {
    /// Its type.
    fn kind(&self) -> Type;

    /// It as the driver takes it.
    fn as_sql(&self) -> &(dyn ToSql + Sync);
}

impl<T: Typed + ToSql + Sync> Value for T {
    fn kind(&self) -> Type {
        T::KIND
    }

    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// What stands for one type of PostgreSQL.
pub(super) trait Typed {
    const KIND: Type;
    /// Arrays of it. Arrays of arrays are none of ours.
    const ARRAY: Type;
}

macro_rules! typed {
    ($($rust:ty => $kind:ident $array:ident)*) => {
        $(impl Typed for $rust {
            const KIND: Type = Type::$kind;
            const ARRAY: Type = Type::$array;
        })*
    };
}

typed! {
    bool => BOOL BOOL_ARRAY
    i16 => INT2 INT2_ARRAY
    i64 => INT8 INT8_ARRAY
    str => TEXT TEXT_ARRAY
    String => TEXT TEXT_ARRAY
    Cow<'_, str> => TEXT TEXT_ARRAY
    [u8] => BYTEA BYTEA_ARRAY
    Uuid => UUID UUID_ARRAY
    SystemTime => TIMESTAMPTZ TIMESTAMPTZ_ARRAY
}

impl<T: Typed + ?Sized> Typed for &T {
    const KIND: Type = T::KIND;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Typed> Typed for Option<T> {
    const KIND: Type = T::KIND;
    const ARRAY: Type = T::ARRAY;
}

impl<T: Typed> Typed for Vec<T> {
    const KIND: Type = T::ARRAY;
    const ARRAY: Type = Type::UNKNOWN;
}

impl<T: Typed> Typed for [T] {
    const KIND: Type = T::ARRAY;
    const ARRAY: Type = Type::UNKNOWN;
}
