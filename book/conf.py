"""Settings of the book: Sphinx reads them when it is built. Nothing comes from a network."""

import base64
import html
import io

from docutils import nodes
from matplotlib import rc_context
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image

project = "Clustering of unseen datasets"
# The citation names the authors of the study; the theme would print a placeholder.
author = ""
extensions = ["myst_nb"]
# Notebooks are executed by make, once; the book shows what they gave.
nb_execution_mode = "off"
nb_output_stderr = "remove"
nb_merge_streams = True
# Markdown that a notebook displays may hold tables, which plain CommonMark does not know.
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {}
suppress_warnings = ["mystnb.unknown_mime_type"]
myst_heading_anchors = 3
# A word in brackets with a class in braces: verdicts have colours. Formulas stand between dollars.
myst_enable_extensions = ["attrs_inline", "dollarmath"]
html_math_renderer = "drawn"
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["book.css"]
html_css_files = ["book.css"]
html_show_sphinx = False
html_show_copyright = False
html_context = {"default_mode": "auto"}
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,
    "show_toc_level": 2,
    "search_bar_text": "Search",
}


def drawn(tex):
    """Draw a formula by Matplotlib: MathJax would come from a network."""
    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": tex, "mathtext.fontset": "cm"}):
        below = math_to_image(
            f"${tex.strip()}$", stream, FontProperties(size=12), dpi=72, format="svg"
        )
    picture = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<img class="formula" alt="{html.escape(tex.strip())}" '
        f'style="vertical-align: -{below:.1f}pt" src="data:image/svg+xml;base64,{picture}">'
    )


def visit_inline(writer, node):
    """Write a formula into a line of text."""
    writer.body.append(drawn(node.astext()))
    raise nodes.SkipNode


def visit_block(writer, node):
    """Write a formula on a line of its own."""
    # Matplotlib draws no display style of its own accord.
    tex = node.astext().replace(r"\frac", r"\dfrac")
    writer.body.append(f'<p class="formula">{drawn(tex)}</p>')
    raise nodes.SkipNode


def setup(app):
    """Register the way in which formulas are drawn."""
    app.add_html_math_renderer("drawn", (visit_inline, None), (visit_block, None))
