//! The schema of what is counted, by hand: the derive knows no enum whose variants stand under a name of their own.

use std::borrow::Cow;

use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Subject;

const KINDS: [&str; 7] =
    ["driver", "bug_check", "os_build", "bucket", "unattributed", "everything", "silence"];

impl PartialSchema for Subject {
    fn schema() -> RefOr<Schema> {
        let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(KINDS)).description(Some(
            "Crashes of what; `unattributed`: blamed on nobody; `silence`: machines that went dark, without any.",
        ));
        let name = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(
            "The driver's or bucket's name, the code of the bug check, the build of Windows; of silence what the machines \
             share, a name and a build or null; missing where there is nothing to name.",
        ));
        let object = ObjectBuilder::new().description(Some("What is counted."));
        object.property("kind", kind).required("kind").property("name", name).into()
    }
}

impl ToSchema for Subject {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Subject")
    }
}
