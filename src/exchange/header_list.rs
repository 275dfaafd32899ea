//! The fields of an answer, for readers of JSON.

use std::collections::BTreeMap;

use crate::base::fields::Fields;

/// The one that must not be joined: its values hold commas (RFC 9110 section 5.3, RFC 6265 section 3).
const SET_COOKIE: &str = "set-cookie";

/// The same fields twice: by name, and as they came where that is not the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderList {
    /// By name in lower case. Several fields of one name are joined with `, `, those of `set-cookie` with line feeds.
    pub by_name: BTreeMap<String, String>,
    /// Each by itself, in the order in which they came; `None` if no name is repeated.
    pub each: Option<Vec<(String, String)>>,
}

impl HeaderList {
    /// Of these fields.
    pub fn of(fields: &Fields) -> Self {
        let (mut by_name, mut each) = (BTreeMap::new(), Vec::new());
        let mut repeated = false;
        for field in fields.iter() {
            let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
            let value = String::from_utf8_lossy(field.value).into_owned();
            each.push((name.clone(), value.clone()));
            let between = if name == SET_COOKIE { "\n" } else { ", " };
            by_name
                .entry(name)
                .and_modify(|it: &mut String| {
                    repeated = true;
                    it.push_str(between);
                    it.push_str(&value);
                })
                .or_insert(value);
        }
        Self { by_name, each: repeated.then_some(each) }
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        let each = self.each.iter().flatten().map(|(name, value)| name.len() + value.len());
        self.by_name.iter().map(|(name, value)| name.len() + value.len()).chain(each).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::{base::fields::Fields, exchange::header_list::HeaderList};

    #[test]
    fn what_is_repeated_is_there_once_more_each_by_itself() {
        let of = |them: &[(&str, &str)]| {
            let mut fields = Fields::default();
            for (name, value) in them {
                fields.append(name, value.as_bytes());
            }
            HeaderList::of(&fields)
        };
        let once = of(&[("Vary", "a"), ("Set-Cookie", "a=1; Expires=Wed, 1 Jan 2031 00:00:00 GMT")]);
        assert_eq!((once.by_name["vary"].as_str(), once.each), ("a", None));
        let twice = of(&[("Set-Cookie", "a=1, x"), ("VARY", "a"), ("set-cookie", "b=2"), ("Vary", "b")]);
        assert_eq!((&*twice.by_name["set-cookie"], &*twice.by_name["vary"]), ("a=1, x\nb=2", "a, b"));
        let each = [("set-cookie", "a=1, x"), ("vary", "a"), ("set-cookie", "b=2"), ("vary", "b")];
        assert_eq!(twice.each, Some(each.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()));
    }
}
