"""The pages' words: every link sets valid settings, every file has its sections, and a bad link says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given

from tests.test_address import ANY_SETTINGS
from wdviz import datasets
from wdviz.experiments.overfitting import SUGGESTED
from wdviz.plans import ALL_SPECS, TABLES
from wdviz.settings import DATASETS, REGULARISERS, SPECS, Settings
from wdviz.specs import Number, specs
from wdviz.ui import address, prose
from wdviz.ui.contents import PAGES

TEXTS = Path(__file__).parents[1] / "assets" / "text"
FILES = [TEXTS / f"{page}.md" for page in PAGES]
LINKS = [(f.stem, line) for f in FILES for line in prose._read(f.stem)["Notice"].splitlines() if line.strip()]


def test_values_have_the_types_of_the_settings():
    values = address.parse("decay=30&n_train=60&dataset=moons&width=16&regularisers=l1,dropout&momentum=0")
    assert values == {"decay": 30.0, "n_train": 60, "dataset": "moons", "width": 16, "regularisers": ("dropout", "l1"), "momentum": 0.0}
    assert [type(values[name]) for name in ("decay", "n_train", "width", "momentum")] == [float, int, int, float]
    Settings(**values)


def test_blanks_and_nothing_at_all():
    assert address.parse("") == {}
    assert address.parse("regularisers=") == {"regularisers": ()}
    assert address.parse("regularisers=batch%20norm,early+stopping&dataset=breast+cancer") == {
        "regularisers": ("batch norm", "early stopping"),
        "dataset": "breast cancer",
    }


@given(ANY_SETTINGS)
def test_any_settings_survive_being_written_and_parsed(chosen):
    values = {name: getattr(chosen, name) for name in SPECS}
    query = urlencode({name: ",".join(v) if isinstance(v, tuple) else v for name, v in values.items()})
    assert address.parse(query) == values


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("decoy=3", "decoy"),
        ("decay=101", "101"),
        ("decay=-1", "-1"),
        ("decay=nan", "nan"),
        ("decay=much", "much"),
        ("n_train=60.5", "60.5"),
        ("n_train=3", "3"),
        ("dataset=mons", "mons"),
        ("width=17", "17"),
        ("depth=", "''"),
        ("regularisers=l1,l3", "l3"),
        ("decay=1&steps=many", "many"),
    ],
)
def test_errors_name_the_value(query, named):
    with pytest.raises(ValueError, match=named):
        address.parse(query)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(ValueError, match="the settings are dataset, n_train"):
        address.parse("decoy=3")


# The files


def test_each_page_has_its_file_and_links_and_the_keys_are_for_all():
    assert {f.stem for f in TEXTS.glob("*.md")} == {*PAGES, "keys"}
    assert {page for page, _ in LINKS} == set(PAGES)
    assert list(prose._read("keys")) == ["Words", "Keys and links"]


@pytest.mark.parametrize("page", [f.stem for f in FILES])
def test_each_file_has_its_sections_with_words_in_them(page):
    parts = prose._read(page)
    assert list(parts) == ["In short", "Notice", "Why", "Small print"]
    assert all(len(text) > 100 for text in parts.values())


@pytest.mark.parametrize("page", [f.stem for f in FILES])
def test_mathematics_and_code_are_closed(page):
    for title, text in prose._read(page).items():
        assert text.count("```") % 2 == 0, title
        text = "".join(text.split("```")[::2])  # in code they mean other things
        assert text.count("$$") % 2 == 0, title
        assert text.replace("$$", "").count("$") % 2 == 0, title
        assert text.count("**") % 2 == 0, title


@pytest.mark.parametrize(("page", "line"), LINKS)
def test_each_notice_is_a_link_to_valid_settings(page, line):
    found = prose._LINK.match(line.strip())
    assert found, f"{page}: {line!r} would not be shown"
    values = address.parse(found["settings"])
    assert values
    assert any(value != address.DEFAULTS[name] for name, value in values.items())
    for table in TABLES:
        table(**{name: value for name, value in values.items() if name in specs(table)})
    chosen = Settings(**{name: value for name, value in values.items() if name in SPECS})
    assert chosen.n_train <= datasets.max_train(chosen.dataset)
    for name, value in values.items():
        spec = ALL_SPECS.get(name)
        if isinstance(spec, Number) and spec.grid:
            assert value in spec.grid, f"the control of {name} cannot show {value:g}"


@pytest.mark.parametrize("page", [f.stem for f in FILES])
def test_no_line_of_the_notices_is_dropped(page):
    assert len(prose.notice(page)) == sum(each == page for each, _ in LINKS)
    assert all(words and address.parse(settings) for words, settings in prose.notice(page))


def test_the_code_shown_is_in_the_package():
    root = Path(__file__).parents[1]
    for page in FILES:
        for block in prose._read(page.stem)["Why"].split("```python")[1::2]:
            code = block.split("```")[0].strip()
            assert any(code in module.read_text(encoding="utf-8") for module in root.glob("wdviz/**/*.py")), code


def test_suggestions_are_on_the_grids_of_the_controls():
    assert set(REGULARISERS) >= set(Settings().regularisers)
    for name in DATASETS:
        for field, value in SUGGESTED[name].items():
            spec = SPECS[field]
            assert not (isinstance(spec, Number) and spec.grid) or value in spec.grid, (name, field)
