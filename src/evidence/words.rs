//! Words of Docker and Compose as enums: they are compared as variants, and read and written as the
//! word itself. A word that is not known here is kept.

/// Declares such an enum: its variants with their words, and `Other` for every other word.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$about:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$about])* $variant,)+
            /// Another word.
            Other(String),
        }

        impl $name {
            /// The word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                word.as_str().into()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        /// Text, as the words are written.
        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                String::schema_name()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                String::json_schema(generator)
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use crate::evidence::compose::DeclaredMountKind;
    use crate::evidence::docker::ContainerState;

    #[test]
    fn a_word_is_written_as_it_was_read() {
        for word in ["running", "exited", "created", "restarting", "paused", "dead", "removing", ""]
        {
            let state: ContainerState = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(&state).unwrap(), word);
            assert_eq!(state.to_string(), word);
        }
        for word in ["volume", "bind", "tmpfs", "npipe", "cluster", "image"] {
            let kind: DeclaredMountKind = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(&kind).unwrap(), word);
        }
        assert_eq!(ContainerState::from("running"), ContainerState::Running);
        assert_eq!(DeclaredMountKind::from("npipe"), DeclaredMountKind::Other("npipe".to_owned()));
    }
}
