//! The lines of a file that an error is about, and no other: the next one may hold what should not be in a log.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A file of which whole lines are shown, without their neighbours.
pub(crate) struct Excerpt {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Excerpt {
    /// `FILE:LINE:COLUMN` of a byte.
    pub(crate) fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|it| *it != '\n').count() + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let exact = self.text.read_span(span, 0, 0)?;
        let (name, line) = (self.name.clone(), exact.line());
        if before == 0 && after == 0 {
            // Asked for the place itself, for `file:line:column`.
            let contents = MietteSpanContents::new_named(
                name,
                exact.data(),
                *exact.span(),
                line,
                exact.column(),
                exact.line_count(),
            );
            return Ok(Box::new(contents));
        }
        let start = self.text[..span.offset()].rfind('\n').map_or(0, |at| at + 1);
        let end = span.offset() + span.len();
        let end = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
        let lines = (start, end - start).into();
        let data = &self.text.as_bytes()[start..end];
        Ok(Box::new(MietteSpanContents::new_named(name, data, lines, line, 0, exact.line_count())))
    }
}

#[cfg(test)]
mod tests {
    use miette::SourceCode;

    use crate::config::excerpt::Excerpt;

    #[test]
    fn whole_lines_are_shown_and_no_neighbours() {
        let excerpt = Excerpt { name: "f".to_owned(), text: "one\nä = two\nthree".to_owned() };
        let read = |at: (usize, usize), context| {
            let contents = excerpt.read_span(&at.into(), context, context).unwrap();
            (String::from_utf8(contents.data().to_vec()).unwrap(), contents.line(), contents.column())
        };
        assert_eq!(read((9, 3), 1), ("ä = two".to_owned(), 1, 0));
        assert_eq!(read((9, 3), 0).0, "two");
        assert_eq!(read((14, 4), 1), ("three".to_owned(), 2, 0));
        assert_eq!(read((0, 0), 1), ("one".to_owned(), 0, 0));
        assert!(excerpt.read_span(&(17, 5).into(), 1, 1).is_err());
    }
}
