import re
from html.parser import HTMLParser

import pytest

from churnfit.evaluation.figures import calibration_figure, health_figure, lift_figure
from churnfit.evaluation.report import evaluate
from churnfit.evaluation.sections import report_sections


class Outline(HTMLParser):
    """The tags still open, every id and every text of a page; a wrongly closed tag is an error."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.words, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    return parser


@pytest.fixture
def report(judged, make_spec, context):
    """A report of segments with a hostile name, beside a challenger."""
    rows = judged.assign(p_challenger=judged["p_card"])
    rows.loc[:379, "segment"] = "<b>mid</b> & <script>alert(1)</script>"
    return evaluate(rows, spec=make_spec(title="Tiny <i>card</i>"), context=context)


@pytest.fixture
def figures(judged):
    return {"calibration": calibration_figure(judged), "health": health_figure(judged), "lift": lift_figure(judged)}


def test_the_page_says_what_the_text_says(report, figures):
    """Every title, sentence and cell of the sections stands in the page, in order, and every figure is drawn."""
    page = outline(report.to_html(figures=figures))
    assert page.open == []
    words = re.sub(r"\s+", " ", " ".join(page.words))
    at = 0
    for section in report_sections(report):
        for said in (
            section.title,
            *section.sentences,
            *section.header,
            *(cell for row in section.rows for cell in row),
        ):
            at = words.index(re.sub(r"\s+", " ", said), 0 if said in section.header else at)
    assert sum(tag == "svg" for tag, _ in page.tags) == 3
    assert "churners in the riskiest 30 %" in words  # the figures' text is text


def test_nothing_comes_from_outside(report, figures):
    """No address, no script, no link but to the page itself: the file can be mailed and opened anywhere."""
    page = report.to_html(figures=figures)
    assert "://" not in page
    assert not re.search(r"@import|url\((?!#)", page)
    tags = outline(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object"}
    links = [value for _, given in tags for name, value in given.items() if name in ("href", "src", "xlink:href")]
    assert links
    assert all(link.startswith("#") for link in links)


def test_names_from_data_are_text(report):
    """A segment called <b>…<script> is shown as such; so is the title."""
    page = report.to_html()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;mid&lt;/b&gt; &amp; &lt;script&gt;" in page
    assert "<title>Tiny &lt;i&gt;card&lt;/i&gt;: evaluation</title>" in page


def test_the_page_can_be_read_aloud(report, figures):
    """Language, a heading per section, row and column headers, a name for every figure, ids used once."""
    page = outline(report.to_html(figures=figures))
    assert ("html", {"lang": "en"}) in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert all(given.get("aria-label") for tag, given in page.tags if tag == "svg")
    scopes = [given.get("scope") for tag, given in page.tags if tag == "th"]
    assert set(scopes) == {"row", "col"}
    targets = {given[name][1:] for _, given in page.tags for name in ("href", "xlink:href") if name in given}
    assert targets <= set(page.ids)


def test_same_report_same_bytes(report, judged):
    """Figures drawn twice give one page."""
    pages = {report.to_html(figures={"lift": lift_figure(judged)}) for _ in range(2)}
    assert len(pages) == 1


def test_markdown_links_the_figures_that_are_there(report, figures):
    """As `fit` logs them, beside the report."""
    assert "![Calibration](figures/calibration.png)" in report.to_markdown(figures=figures)
    assert "![" not in report.to_markdown()
