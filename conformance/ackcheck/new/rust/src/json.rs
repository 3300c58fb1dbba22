//! As much JSON as the protocol needs, so that the adapter builds without a crate. Put serde_json in its place.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write};

#[derive(Clone, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub fn read(text: &str) -> Result<Json, String> {
        let mut reader = Reader { signs: text.chars().collect(), at: 0 };
        reader.value()
    }

    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    pub fn text(value: &str) -> Json {
        Json::Text(value.to_string())
    }

    pub fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(fields) => fields.get(name).unwrap_or(&Json::Null),
            _ => &Json::Null,
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Json::Text(text) => text,
            _ => "",
        }
    }

    pub fn as_f64(&self) -> f64 {
        match self {
            Json::Number(number) => *number,
            _ => 0.0,
        }
    }

    pub fn as_list(&self) -> &[Json] {
        match self {
            Json::List(list) => list,
            _ => &[],
        }
    }
}

impl Display for Json {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(number) => write!(out, "{number}"),
            Json::Text(text) => quoted(text, out),
            Json::List(list) => {
                out.write_char('[')?;
                for (number, each) in list.iter().enumerate() {
                    write!(out, "{}{each}", if number > 0 { "," } else { "" })?;
                }
                out.write_char(']')
            }
            Json::Object(fields) => {
                out.write_char('{')?;
                for (number, (name, each)) in fields.iter().enumerate() {
                    out.write_str(if number > 0 { "," } else { "" })?;
                    quoted(name, out)?;
                    write!(out, ":{each}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn quoted(text: &str, out: &mut Formatter<'_>) -> fmt::Result {
    out.write_char('"')?;
    for sign in text.chars() {
        match sign {
            '"' | '\\' => write!(out, "\\{sign}")?,
            sign if sign < ' ' => write!(out, "\\u{:04x}", sign as u32)?,
            sign => out.write_char(sign)?,
        }
    }
    out.write_char('"')
}

struct Reader {
    signs: Vec<char>,
    at: usize,
}

impl Reader {
    fn value(&mut self) -> Result<Json, String> {
        match self.next_sign()? {
            '{' => {
                let mut fields = BTreeMap::new();
                self.at += 1;
                while self.next_sign()? != '}' {
                    let name = self.string()?;
                    self.expect(':')?;
                    fields.insert(name, self.value()?);
                    if self.next_sign()? == ',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                Ok(Json::Object(fields))
            }
            '[' => {
                let mut list = Vec::new();
                self.at += 1;
                while self.next_sign()? != ']' {
                    list.push(self.value()?);
                    if self.next_sign()? == ',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                Ok(Json::List(list))
            }
            '"' => Ok(Json::Text(self.string()?)),
            _ => self.word(),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        self.expect('"')?;
        loop {
            let sign = *self.signs.get(self.at).ok_or("a string without an end")?;
            self.at += 1;
            match sign {
                '"' => return Ok(text),
                '\\' => {
                    let sign = *self.signs.get(self.at).ok_or("a string without an end")?;
                    self.at += 1;
                    text.push(match sign {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'u' => self.unicode()?,
                        other => other,
                    });
                }
                sign => text.push(sign),
            }
        }
    }

    fn unicode(&mut self) -> Result<char, String> {
        let digits: String = self.signs.iter().skip(self.at).take(4).collect();
        self.at += 4;
        let number = u32::from_str_radix(&digits, 16).map_err(|error| error.to_string())?;
        Ok(char::from_u32(number).unwrap_or('\u{fffd}'))
    }

    fn word(&mut self) -> Result<Json, String> {
        let word: String = self.signs[self.at..].iter().take_while(|sign| !",]} \t\n".contains(**sign)).collect();
        self.at += word.chars().count();
        match word.as_str() {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            number => number.parse().map(Json::Number).map_err(|_| format!("no JSON: {number:?}")),
        }
    }

    fn next_sign(&mut self) -> Result<char, String> {
        while self.signs.get(self.at).is_some_and(|sign| sign.is_whitespace()) {
            self.at += 1;
        }
        self.signs.get(self.at).copied().ok_or_else(|| "the text ends too early".to_string())
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.next_sign()? != sign {
            return Err(format!("{sign:?} is missing at character {}", self.at));
        }
        self.at += 1;
        Ok(())
    }
}
