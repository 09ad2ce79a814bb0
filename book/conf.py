"""Settings of the book: Sphinx reads them when it is built. Nothing comes from a network."""

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
# A word in brackets with a class in braces: verdicts have colours.
myst_enable_extensions = ["attrs_inline"]
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
