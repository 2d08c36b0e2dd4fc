//! What the pages of the documentation tell people to type.

/// The fenced blocks of a page in one language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let parts = page.split(&open).skip(1);
    parts.filter_map(|part| part.split_once("\n```")).map(|(block, _)| block.to_owned()).collect()
}

/// Our own commands among the lines of a shell script, in pipes and `$(…)` too, as words.
pub(crate) fn own_commands(script: &str) -> Vec<Vec<String>> {
    script
        .lines()
        .filter_map(|line| line.split(" #").next())
        .flat_map(|line| line.split(['|', ';', ')']))
        .flat_map(|part| part.split("$(").flat_map(|part| part.split("&&")))
        .filter_map(|part| part.split('>').next())
        .map(str::trim)
        .filter(|part| *part == "convex-doctor" || part.starts_with("convex-doctor "))
        .map(words)
        .collect()
}

/// A command line as a shell splits it, as far as quotes without blanks inside of double ones go.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(|word| word.replace('"', "")));
        }
    }
    words
}
