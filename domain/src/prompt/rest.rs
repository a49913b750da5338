//! Asking for translations, for the words of a digest, and for the description of a picture.

use std::fmt::Write as _;

use super::{HYGIENE, Prompt, language_name, push_each, push_one};
use crate::{brand::Brand, brief::Language};

/// A post in another language.
#[derive(Debug, Clone, Copy)]
pub struct Translation<'a> {
    /// What it says now.
    pub text: &'a str,
    /// The language it is in.
    pub from: Language,
    /// The language it is to be in.
    pub to: Language,
    /// What must come through unchanged: links, handles, hashtags, names, placeholders.
    pub keep: &'a [String],
    /// The most characters it may have.
    pub max: u32,
}

impl Translation<'_> {
    /// Asks for the translation as plain text.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut user = String::from("Task: translate one post.\n");
        let _ = writeln!(user, "From: {}", language_name(self.from));
        let _ = writeln!(user, "Language: {}", language_name(self.to));
        let _ = writeln!(user, "Length: at most {} characters", self.max);
        if !self.keep.is_empty() {
            user.push_str("\nEach of these stays as it is, character for character, as often as it occurs\n");
            push_each(&mut user, "keep", self.keep);
        }
        user.push_str("\nThe post\n");
        push_one(&mut user, "post", self.text);
        Prompt {
            system: format!(
                "You translate social media posts so that they read as if they had been written in the other language. Answer with the translation and \
                 nothing else: plain text, no quotation marks around it, no Markdown, no remarks. Keep the paragraphs.\n{HYGIENE}"
            ),
            user,
        }
    }
}

/// The words around a digest's numbers.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'a> {
    /// Whose posts they are.
    pub brand: &'a str,
    /// The language to write in.
    pub language: Language,
    /// The days it covers, as people write them.
    pub period: &'a str,
    /// What happened, one statement each, the weightiest first. The model gets no numbers but these.
    pub facts: &'a [String],
}

impl Digest<'_> {
    /// Asks for two to four sentences.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut user = String::from("Task: sum up a digest.\n");
        let _ = writeln!(user, "Language: {}", language_name(self.language));
        user.push('\n');
        push_one(&mut user, "brand", self.brand);
        push_one(&mut user, "period", self.period);
        push_each(&mut user, "fact", self.facts);
        Prompt {
            system: format!(
                "You sum up how a brand's posts did, for the people who wrote them. Two to four plain sentences: what changed first, then the best and \
                 the worst post. Every number you name stands in the facts; compute none, praise nothing, advise nothing. Answer with the sentences and \
                 nothing else: plain text, no Markdown.\n{HYGIENE}"
            ),
            user,
        }
    }
}

/// A picture for a post.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Whose picture it is.
    pub brand: &'a Brand,
    /// The post that it goes with.
    pub text: &'a str,
}

impl Image<'_> {
    /// Asks for one English paragraph that an image model can draw.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut user = String::from("Task: describe one picture.\nLanguage: en (English)\n\n");
        push_one(&mut user, "brand", &self.brand.name);
        push_one(&mut user, "guidelines", &self.brand.guidelines);
        push_each(&mut user, "color", &self.brand.colors);
        push_one(&mut user, "post", self.text);
        Prompt {
            system: format!(
                "You write prompts for an image model. Describe, in at most 60 words, one picture that fits the post: subject, setting, light, \
                 composition, the brand's colours. No text, no logos, no known persons in the picture. Answer with the description and nothing \
                 else: plain text.\n{HYGIENE}"
            ),
            user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(prompt: &Prompt) -> String {
        format!("{}\n=====\n{}", prompt.system, prompt.user)
    }

    #[test]
    fn a_translation_reads_like_this() {
        let keep = ["https://juniper.example/winter".to_owned(), "@juniper".to_owned()];
        let prompt = Translation {
            text: "Plum and cocoa, says @juniper.\n\nhttps://juniper.example/winter",
            from: Language::EN,
            to: Language::DE,
            keep: &keep,
            max: 300,
        }
        .prompt();
        insta::assert_snapshot!("translation", shown(&prompt));
    }

    #[test]
    fn a_digest_reads_like_this() {
        let facts = ["6 posts were published, 2 more than the week before.".to_owned(), "Likes: 120, up from 80.".to_owned()];
        let prompt = Digest { brand: "Juniper Roasters", language: Language::EN, period: "16 to 22 November 2026", facts: &facts }.prompt();
        insta::assert_snapshot!("digest", shown(&prompt));
    }

    #[test]
    fn a_picture_reads_like_this() {
        let brand = Brand {
            name: "Juniper Roasters".to_owned(),
            guidelines: "Daylight, no staged smiles.".to_owned(),
            banned_phrases: Vec::new(),
            required_disclosures: Vec::new(),
            colors: vec!["#2f4f3a".to_owned()],
            links: Default::default(),
        };
        insta::assert_snapshot!("image", shown(&Image { brand: &brand, text: "Plum and cocoa." }.prompt()));
    }
}
