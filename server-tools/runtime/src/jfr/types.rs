//! The description of types in a chunk, and values of these types.

use super::values::{Cursor, Value};
use crate::limits::JFR_DEPTH_MAX;
use std::collections::BTreeMap;

/// The types of a chunk by number.
#[derive(Debug, Default)]
pub(super) struct Types {
    types: BTreeMap<u64, Type>,
    strings: u64,
}

#[derive(Debug)]
struct Type {
    name: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: u64,
    is_constant: bool,
    is_list: bool,
}

/// An element of the description: its name, attributes, children.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
}

impl Element {
    fn read(event: &mut Cursor<'_>, texts: &[String], depth: usize) -> Option<Self> {
        if depth > JFR_DEPTH_MAX {
            return None;
        }
        let text = |at: u64| usize::try_from(at).ok().and_then(|at| texts.get(at)).cloned();
        let mut element = Self { name: text(event.integer()?)?, attributes: BTreeMap::new(), children: Vec::new() };
        for _ in 0..event.integer()? {
            let (key, value) = (text(event.integer()?)?, text(event.integer()?)?);
            element.attributes.insert(key, value);
        }
        // Each child takes bytes, so the event bounds how many there are.
        for _ in 0..event.integer()? {
            element.children.push(Self::read(event, texts, depth + 1)?);
        }
        Some(element)
    }

    fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

impl Types {
    /// Reads the event at the start of `bytes` that describes the types.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut event = Cursor::new(bytes);
        let size = usize::try_from(event.integer()?).ok()?;
        event.end_at(size)?;
        // Its type, start, duration, and number.
        if event.integer()? != 0 {
            return None;
        }
        for _ in 0..3 {
            event.integer()?;
        }
        let mut texts = Vec::new();
        for _ in 0..event.integer()? {
            match event.text(0)? {
                Value::Text(text) => texts.push(text),
                _ => return None,
            }
        }
        let root = Element::read(&mut event, &texts, 0)?;
        let mut types = Self::default();
        let classes = root.children.iter().filter(|child| child.name == "metadata").flat_map(|child| &child.children);
        for class in classes.filter(|class| class.name == "class") {
            let (name, number) = (class.attribute("name").to_owned(), class.attribute("id").parse().ok()?);
            let field = |field: &Element| {
                Some(Field {
                    name: field.attribute("name").to_owned(),
                    kind: field.attribute("class").parse().ok()?,
                    is_constant: field.attribute("constantPool") == "true",
                    is_list: !matches!(field.attribute("dimension"), "" | "0"),
                })
            };
            let fields = class.children.iter().filter(|child| child.name == "field").map(field);
            if name == "java.lang.String" {
                types.strings = number;
            }
            types.types.insert(number, Type { name, fields: fields.collect::<Option<_>>()? });
        }
        Some(types)
    }

    pub(super) fn name(&self, kind: u64) -> Option<&str> {
        self.types.get(&kind).map(|kind| kind.name.as_str())
    }

    /// A value of a type. `budget` is how many more values may be read: types may nest in each other without taking bytes.
    pub(super) fn value(&self, kind: u64, from: &mut Cursor<'_>, budget: &mut usize, depth: usize) -> Option<Value> {
        *budget = budget.checked_sub(1)?;
        let of = self.types.get(&kind).filter(|_| depth <= JFR_DEPTH_MAX)?;
        let bytes = match of.name.as_str() {
            "java.lang.String" => return from.text(self.strings),
            "boolean" | "byte" => 1,
            "float" => 4,
            "double" => 8,
            "char" | "short" | "int" | "long" => {
                from.integer()?;
                return Some(Value::Number);
            }
            _ => 0,
        };
        if bytes > 0 {
            from.take(bytes)?;
            return Some(Value::Number);
        }
        let mut fields = Vec::with_capacity(of.fields.len());
        for field in &of.fields {
            let mut one = |from: &mut Cursor<'_>| match field.is_constant {
                true => {
                    *budget = budget.checked_sub(1)?;
                    Some(Value::Constant(field.kind, from.integer()?))
                }
                false => self.value(field.kind, from, budget, depth + 1),
            };
            fields.push(match field.is_list {
                false => one(from)?,
                true => {
                    let mut list = Vec::new();
                    for _ in 0..from.integer()? {
                        list.push(one(from)?);
                    }
                    Value::List(list)
                }
            });
        }
        Some(Value::Fields(fields))
    }

    /// A field of a value of a type.
    pub(super) fn field<'v>(&self, kind: u64, value: &'v Value, name: &str) -> Option<&'v Value> {
        let at = self.types.get(&kind)?.fields.iter().position(|field| field.name == name)?;
        match value {
            Value::Fields(fields) => fields.get(at),
            _ => None,
        }
    }

    pub(super) fn field_type(&self, kind: u64, name: &str) -> Option<u64> {
        Some(self.types.get(&kind)?.fields.iter().find(|field| field.name == name)?.kind)
    }
}
