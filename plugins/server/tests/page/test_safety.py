"""Whatever an answer holds, the page shows it, and nothing of it acts."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from ..fake_model import FakeModel
from .conftest import Open

ELSEWHERE = "https://example.org"

ACTING = ("script", "style", "link", "base", "iframe", "object", "embed", "form", "input", "img", "video", "math")

ATTACKS = {
    "script": "<script>window.pwned = 1</script>",
    "onerror": '<img src=x onerror="window.pwned = 1">',
    "svg": '<svg onload="window.pwned = 1"><script>window.pwned = 1</script></svg>',
    "inside a paragraph": "<b onmouseover='window.pwned=1'>you</b><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "form": f"<form action='{ELSEWHERE}'><input autofocus onfocus='window.pwned = 1'><button>Go</button></form>",
    "style": f"<style>body {{ background: url({ELSEWHERE}/x.png) }}</style>",
    "link element": f"<link rel=stylesheet href='{ELSEWHERE}/x.css'><base href='{ELSEWHERE}'>",
    "javascript link": "[a](javascript:window.pwned=1) [b](java&#115;cript:window.pwned=1) <javascript:window.pwned=1>",
    "data link": "[click](data:text/html,<script>window.pwned=1</script>) [vb](vbscript:x) [f](file:///etc/passwd)",
    "own server": "[click](/v1/models) [click](#conversation-1)",
    "breaking out of a link": '[a](https://a.example/"onclick="window.pwned=1) [b](https://b.example "\\"onclick=x")',
    "image": f'![x]({ELSEWHERE}/x.png) ![x](javascript:window.pwned=1) !["onerror="window.pwned=1](x)',
    "code fence": '```html"onclick="window.pwned=1\n</code></pre><script>window.pwned = 1</script>\n```',
    "language": "```x<img/src=x/onerror=window.pwned=1>\n1\n```",
    "comment": "<!-- --><img src=x onerror=window.pwned=1> --> <![CDATA[<script>window.pwned=1</script>]]>",
    "table": "|a|\n|---|\n|<img src=x onerror=window.pwned=1>|",
    "math namespace": "<math><mtext><mglyph><style><img src=x onerror=window.pwned=1></math>",
    "entity": "&lt;img src=x onerror=window.pwned=1&gt; &#60;script&#62;window.pwned=1&#60;/script&#62;",
    "reference": "[a]\n\n[a]: javascript:window.pwned=1",
    "clobbering": "<img name=getElementById><a id=question>x</a>",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_markup_in_an_answer_is_shown_and_does_nothing(open_page: Open, attack: str) -> None:
    page = open_page(FakeModel(answer=f"Before.\n\n{attack}\n\nAfter."))
    shown = page.ask_and_wait("Hi.")
    assert shown.startswith("Before.")
    assert shown.endswith("After.")
    for link in page.all(".answer .text a"):
        link.click()
        page.browser.switch_to.window(page.browser.window_handles[0])
    assert page.browser.execute_script("return window.pwned") is None
    acting = (
        "script, style, link, base, iframe, object, embed, form, input, img, svg:not([aria-hidden]), video, audio, math"
    )
    assert page.all(", ".join(f".answer .text {tag}" for tag in acting.split(", "))) == []
    attributes = page.browser.execute_script(
        "return [...document.querySelectorAll('.answer .text *')].flatMap(e => e.getAttributeNames())"
    )
    assert [name for name in attributes if name.startswith("on") or name in ("style", "id", "name", "src")] == []
    for window in page.browser.window_handles[1:]:
        page.browser.switch_to.window(window)
        page.browser.close()
    page.browser.switch_to.window(page.browser.window_handles[0])


def test_links_open_elsewhere_and_tell_nobody_where_one_came_from(open_page: Open) -> None:
    page = open_page(FakeModel(answer=f"[a]({ELSEWHERE}/a) <mailto:me@example.org> ![A cat]({ELSEWHERE}/cat.png)"))
    page.ask_and_wait("Hi.")
    links = page.all(".answer .text a")
    assert [link.get_attribute("href") for link in links] == [
        f"{ELSEWHERE}/a", "mailto:me@example.org", f"{ELSEWHERE}/cat.png"
    ]  # fmt: skip
    assert links[2].text == "Image: A cat"
    for link in links:
        assert link.get_attribute("target") == "_blank"
        assert link.get_attribute("rel") == "noopener noreferrer"


def test_a_question_and_a_title_are_text(open_page: Open) -> None:
    page = open_page(FakeModel())
    question = "<img src=x onerror=window.pwned=1> **not bold**"
    page.ask_and_wait(question)
    page.reload()
    assert page.texts(".question .text") == [question]
    assert page.texts("#conversations button") == [question]
    assert page.browser.execute_script("return window.pwned") is None
    assert page.all("#conversations img, .question img, .question strong") == []


def test_a_name_of_a_model_is_text(open_page: Open) -> None:
    page = open_page(FakeModel(name="<b>bold</b>"))
    page.ask("Hi.")
    page.wait_for_end()
    assert page.texts(".answer h2") == ["<b>bold</b>"]


def test_nesting_without_end_is_shown_as_it_stands(open_page: Open) -> None:
    page = open_page(FakeModel(answer=">" * 5000 + " deep"))
    assert page.ask_and_wait("Hi.").endswith("deep")


def test_scripts_of_others_cannot_run_even_if_they_got_in(open_page: Open) -> None:
    page = open_page(FakeModel())
    violated = page.browser.execute_async_script(
        "const done = arguments[0];"
        "addEventListener('securitypolicyviolation', event => done(event.effectiveDirective), {once: true});"
        "const script = document.createElement('script'); script.textContent = 'window.pwned = 1';"
        "document.body.append(script);"
    )
    assert violated == "script-src-elem"
    assert page.browser.execute_script("return window.pwned") is None
    page.browser.get_log("browser")  # the violation is expected


def test_code_is_highlighted_and_copied_as_it_is(open_page: Open) -> None:
    code = 'def f(x):\n    return "<b>" + x  # why'
    page = open_page(FakeModel(answer=f"Code:\n\n```python\n{code}\n```\n"))
    page.ask_and_wait("Hi.")
    assert page.texts("figure.code .caption span")[0] == "python"
    assert page.texts(".hljs-keyword") == ["def", "return"]
    page.browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.browser.find_element(By.CSS_SELECTOR, "figure.code button").click()
    copied = page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], String)")
    assert copied == code
    page.all(".answer .actions button")[0].click()
    copied = page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], String)")
    assert copied == f"Code:\n\n```python\n{code}\n```\n"
