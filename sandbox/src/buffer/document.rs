//! As much of GraphQL as one operation with one field and an `$input` needs (<https://spec.graphql.org/October2021/>): what is selected is shown, and
//! nothing else.

use serde_json::{Map, Value};

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// Its one field.
    pub(super) field: String,
    /// What is selected of that.
    pub(super) selection: Vec<Selection>,
}

/// One entry of a selection set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// A field, and what is selected of it.
    Field(String, Vec<Self>),
    /// What is selected if the value is of this type.
    On(String, Vec<Self>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Mark(char),
    Spread,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            tokens.push(Token::Spread);
            rest = after;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            match c {
                c if c.is_whitespace() || c == ',' => {}
                '{' | '}' | '(' | ')' | ':' | '$' | '!' | '[' | ']' => tokens.push(Token::Mark(c)),
                // Values that stand in the document itself: everything is a variable here.
                _ => return None,
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(tokens)
}

/// Reads a document; `None` if it is none, or beyond this.
pub(super) fn read(text: &str) -> Option<Operation> {
    let tokens = tokens(text)?;
    // The operation's kind, name and variables: all before the first brace.
    let start = tokens.iter().position(|token| *token == Token::Mark('{'))?;
    let mut at = start;
    let mut selection = set(&tokens, &mut at)?;
    match (at == tokens.len(), selection.pop(), selection.is_empty()) {
        (true, Some(Selection::Field(field, selection)), true) => Some(Operation { field, selection }),
        _ => None,
    }
}

/// A selection set that begins here, if one does.
fn set(tokens: &[Token], at: &mut usize) -> Option<Vec<Selection>> {
    let mut selection = Vec::new();
    if tokens.get(*at) != Some(&Token::Mark('{')) {
        return Some(selection);
    }
    *at += 1;
    loop {
        match tokens.get(*at)? {
            Token::Mark('}') => {
                *at += 1;
                return Some(selection);
            }
            Token::Spread => {
                let (Token::Name(on), Token::Name(kind)) = (tokens.get(*at + 1)?, tokens.get(*at + 2)?) else { return None };
                *at += 3;
                selection.push(Selection::On(kind.clone(), set(tokens, at).filter(|_| on == "on")?));
            }
            Token::Name(name) => {
                *at += 1;
                if tokens.get(*at) == Some(&Token::Mark('(')) {
                    *at += tokens[*at..].iter().position(|token| *token == Token::Mark(')'))? + 1;
                }
                selection.push(Selection::Field(name.clone(), set(tokens, at)?));
            }
            Token::Mark(_) => return None,
        }
    }
}

/// What a selection shows of a value; the name of a field that there is not.
pub(super) fn shown(value: &Value, selection: &[Selection]) -> Result<Value, String> {
    match value {
        Value::Array(many) => many.iter().map(|one| shown(one, selection)).collect::<Result<_, _>>().map(Value::Array),
        Value::Object(all) if selection.is_empty() => Err(all["__typename"].as_str().unwrap_or_default().to_owned()),
        Value::Object(all) => {
            let mut out = Map::new();
            fill(&mut out, all, selection)?;
            Ok(Value::Object(out))
        }
        scalar => Ok(scalar.clone()),
    }
}

fn fill(out: &mut Map<String, Value>, all: &Map<String, Value>, selection: &[Selection]) -> Result<(), String> {
    let kind = all["__typename"].as_str().unwrap_or_default();
    for selected in selection {
        match selected {
            Selection::Field(name, below) => {
                let value = all.get(name).ok_or_else(|| name.clone())?;
                out.insert(name.clone(), shown(value, below)?);
            }
            // All errors of mutations are `MutationError`s.
            Selection::On(wanted, below) if wanted == kind || (wanted == "MutationError" && kind.ends_with("Error")) => {
                fill(out, all, below)?;
            }
            Selection::On(..) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selection_shows_what_it_names() {
        let document = "mutation Make($input: MakeInput!) { make(input: $input) { __typename ... on Made { post { id } } ... on MutationError { message } } }";
        let operation = read(document).unwrap();
        assert_eq!(operation.field, "make");
        let made = json!({"__typename": "Made", "post": {"__typename": "Post", "id": "7", "text": "x"}});
        assert_eq!(shown(&made, &operation.selection).unwrap(), json!({"__typename": "Made", "post": {"id": "7"}}));
        let refused = json!({"__typename": "InvalidInputError", "message": "no"});
        assert_eq!(shown(&refused, &operation.selection).unwrap(), json!({"__typename": "InvalidInputError", "message": "no"}));
    }

    #[test]
    fn a_field_that_there_is_not_is_named_and_objects_want_a_selection() {
        let one = json!({"__typename": "Post", "id": "7", "error": null, "list": [{"__typename": "A", "n": 1}]});
        let see = |fields: &str| shown(&one, &read(&format!("{{ post {{ {fields} }} }}")).unwrap().selection);
        assert_eq!(see("id error { message } list { n }").unwrap(), json!({"id": "7", "error": null, "list": [{"n": 1}]}));
        assert_eq!(see("nothing"), Err("nothing".to_owned()));
        assert_eq!(see("list"), Err("A".to_owned()));
    }

    #[test]
    fn what_is_no_document_is_none() {
        for text in ["", "{", "{ }", "{ a } x", "{ a b }", "query { a(id: \"7\") { b } }", "{ a { ... B } }"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
