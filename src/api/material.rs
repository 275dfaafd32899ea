//! The secret fields of a credential, by its kind.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

use crate::{
    api::{failure::Failure, hidden::Hidden, json},
    credential::{Kind, Material},
};

/// Of `api_key`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKey {
    #[schema(value_type = String, format = Password, write_only, pattern = "^[!-~]([ -~]*[!-~])?$", max_length = 16384)]
    key: Hidden,
}

/// Of `basic_auth`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BasicAuth {
    #[schema(value_type = String, write_only, pattern = "^[ -9;-~]+$", max_length = 16384)]
    username: Hidden,
    #[schema(value_type = String, format = Password, write_only, max_length = 16384)]
    password: Hidden,
}

/// The fields of this kind; whether they can be used is for others to say.
///
/// # Errors
/// Other fields.
pub(crate) fn of_kind(kind: Kind, data: &RawValue) -> Result<Material, Failure> {
    Ok(match kind {
        Kind::ApiKey => {
            let ApiKey { key } = json::part("data", data)?;
            Material::ApiKey { key: key.0 }
        }
        Kind::BasicAuth => {
            let BasicAuth { username, password } = json::part("data", data)?;
            Material::BasicAuth { username: username.0, password: password.0 }
        }
    })
}

/// The same, where the names of the fields say which kind it is.
///
/// # Errors
/// The fields of no kind.
pub(crate) fn of_its_fields(data: &RawValue) -> Result<Material, Failure> {
    of_kind(Kind::ApiKey, data)
        .or_else(|_| of_kind(Kind::BasicAuth, data))
        .or(Err(Failure::invalid("`data` must hold all fields of the credential's type, and no others")))
}

/// For the description.
pub(crate) fn kind_schema() -> Object {
    let names = Kind::ALL.map(Kind::as_str);
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}

/// For the description.
pub(crate) fn data_schema() -> RefOr<Schema> {
    RefOr::T(OneOfBuilder::new().item(ApiKey::schema()).item(BasicAuth::schema()).into())
}
