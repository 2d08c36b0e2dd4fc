"""Renders each NAME.md of a directory as GitHub does: `page.py DIRECTORY STYLE`.

NAME.html is a comment, in which a line end is a line break; NAME.file.html is a file, in which it is
a space. GitHub's own cmark-gfm makes the HTML; STYLE is the style sheet of both pages.
"""

import pathlib
import sys

from cmarkgfm.cmark import Options, markdown_to_html_with_extensions

EXTENSIONS = ["table", "strikethrough", "autolink", "tagfilter", "tasklist"]
GITHUB = (
    Options.CMARK_OPT_UNSAFE
    | Options.CMARK_OPT_GITHUB_PRE_LANG
    | Options.CMARK_OPT_FOOTNOTES
    | Options.CMARK_OPT_VALIDATE_UTF8
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>{style}
body {{ margin: 0 }}
.markdown-body {{ box-sizing: border-box; max-width: 1012px; margin: 0 auto; padding: 16px }}
.markdown-body svg {{ max-width: 100%; height: auto }}</style>
<body><article class="markdown-body">
{body}</article></body>
</html>
"""

directory, style = map(pathlib.Path, sys.argv[1:])
for path in sorted(directory.glob("*.md")):
    text = path.read_text(encoding="utf-8")
    for suffix, options in [(".html", GITHUB | Options.CMARK_OPT_HARDBREAKS), (".file.html", GITHUB)]:
        body = markdown_to_html_with_extensions(text, options, EXTENSIONS)
        page = PAGE.format(name=path.stem, style=style.read_text(encoding="utf-8"), body=body)
        path.with_suffix(suffix).write_text(page, encoding="utf-8")
