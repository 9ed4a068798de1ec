"""docs/api.md names all that is public, as it is."""

from __future__ import annotations

import api_page

import libbpf_cffi


def test_it_is_what_the_package_says():
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page(), "run: python tests/support/api_page.py"


def test_every_public_name_has_one_topic():
    """The modules have a list of their own."""
    listed = sorted(name for names in api_page.TOPICS.values() for name in names.split())
    assert listed == sorted(set(libbpf_cffi.__all__) - set(api_page.MODULES))


def test_no_name_is_without_a_word_about_it():
    assert "|  |" not in api_page.page()
