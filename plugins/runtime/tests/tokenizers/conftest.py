# ruff: noqa: RUF001  (look-alikes are the point of the texts)
"""Texts on which token ids must equal the oracle's."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.runtime.tokenizers import Tokenizer, load_tokenizer
from inference_pio.runtime.weights import open_checkpoint


def tokenizer_of(path: Path) -> Tokenizer:
    with open_checkpoint(path) as checkpoint:
        return load_tokenizer(checkpoint)


@pytest.fixture(scope="session")
def smollm2(smollm2_path: Path) -> Tokenizer:
    return tokenizer_of(smollm2_path)


@pytest.fixture(scope="session")
def gemma3(gemma3_path: Path) -> Tokenizer:
    return tokenizer_of(gemma3_path)


# Many scripts, and everything that tokenizers trip over.

SCRIPTS = [
    "The quick brown fox jumps over the lazy dog; it wasn't a cat's fault, they'll say.",
    "Größenwahn und Übermut tun selten gut – außer in Österreich.",
    "Où est l'élève ? « Ça va », dit-il… naïve œuvre.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia. ¿Sí? ¡No!",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Tiếng Việt có nhiều dấu: ngày mai trời sẽ đẹp.",
    "Ηλίθια ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Її ґанок.",
    "Ճանաչել զիմաստութիւն եւ զխրատ։",
    "אני יכול לאכול זכוכית וזה לא מזיק לי. שָׁלוֹם",
    "أنا قادر على أكل الزجاج و هذا لا يؤلمني. ١٢٣٤٥٦",
    "من می‌توانم شیشه بخورم. ۱۲۳",
    "मैं काँच खा सकता हूँ, मुझे उससे कोई पीडा नहीं होती। १२३",
    "আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না।",
    "நான் கண்ணாடி சாப்பிடுவேன்.",
    "నేను గాజు తినగలను. ౧౨౩",
    "ನಾನು ಗಾಜು ತಿನ್ನಬಲ್ಲೆ.",
    "എനിക്ക് ഗ്ലാസ് തിന്നാം.",
    "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ ๑๒๓",
    "ຂ້ອຍກິນແກ້ວໄດ້ໂດຍທີ່ມັນບໍ່ໄດ້ເຮັດໃຫ້ຂ້ອຍເຈັບ",
    "ကျွန်တော် ကျွန်မ မှန်စားနိုင်တယ်။",
    "ខ្ញុំអាចញុំកញ្ចក់បាន ដោយគ្មានបញ្ហារ",
    "მინას ვჭამ და არა მტკივა.",
    "መስታወት መብላት እችላለሁ።",
    "我能吞下玻璃而不伤身体。２０２４年１月，第③章",
    "我能吞下玻璃而不傷身體。",
    "私はガラスを食べられます。それは私を傷つけません。ｶﾞﾗｽ",
    "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요",
    "ཤེལ་སྒོ་ཟ་ནས་ང་ན་གི་མ་རེད།",
    "ᠪᠢ ᠰᠢᠯᠢ ᠢᠳᠡᠶᠦ ᠴᠢᠳᠠᠨᠠ",
    "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ ⠝⠕⠞ 𐌼𐌰𐌲 𓀀𓁐 𝕬𝖇𝖈 𝟙𝟚𝟛",
]

EMOJI = [
    "😀 😃😄 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☺︎ 1️⃣2️⃣ 🧑🏿‍🚀!",
    "a😀b 👨‍💻code🏴󠁧󠁢󠁥󠁮󠁧󠁿",
]

DIGITS = [
    "0", "7 8  9   10", "1234567890", "3.14159 -2,718.28 1e-9 0x1F 1_000", "x1 y22 z333 4a 5 b",
    "½ ² ³ ₄ Ⅷ ⅷ ① ㊿ 𝟘 ٣ ൪",
    "2024-02-29T23:59:59+01:00", "12 345 678 (90)", "v1.2.3-rc4", "100% $5 €6 #7 @8",
]  # fmt: skip

# White space before a digit is where the splitters of byte-level vocabularies differ most.
SPACES_BEFORE_DIGITS = ["  1", "a  1", "   42 x", "\t\t7", "\n\n8", " \n 9", "\u00a0\u00a01", "x = [ 1,  2,   3]"]

WHITE_SPACE = [
    "", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n\n", " \n \n ", " a", "a ", "  a  ", "a  b   c    d", "\ta\tb\t\tc",
    "line\r\nline\r\n\r\nline\rend", "a\u00a0b\u2003c\u3000d\u200be\ufefff", "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g",
    " " * 40, "x" + " " * 17 + "y", "\n" * 40, "trailing   ", "   leading", " \t \t mixed \t ",
]  # fmt: skip

CODE = [
    "def f(x):\n    if x > 1:\n        return x**2  # square\n\treturn None\n",
    'for (int i=0;i<10;i++){printf("%d\\n",i);}/*c*/',
    "<div class='a'>&nbsp;<br/></div><!-- c --><table><tr><td>1</td></tr></table>",
    '{"key": [1, 2.5, null, true], "ü": "\\u00fc"}',
    "SELECT * FROM t WHERE a='b''c' AND d>=1;--",
    "C:\\path\\to\\file.txt https://example.org/?q=a%20b&c=d#e user@example.org",
    "__init__ camelCase snake_case SCREAMING_CASE kebab-case ALLCAPS iOS a.b.c ...---***___===>>>",
    "I'm you're he'll WE'VE I'D don'T 's 'S ''s it´s it’s",
]

# Composed and decomposed, marks without a base, marks in unusual order.
MARKS = [
    "é e\u0301 ñ n\u0303 Å A\u030a \u212b",
    "\u0301alone \u0300\u0301\u0302",
    "Z\u0351\u036b\u0343a\u0328\u0300l\u0335go",
    "q\u0323\u0307 q\u0307\u0323 \u1e69 s\u0323\u0307",
    "ﬁ ﬂ ﷺ Ⅻ ℌ ｆｕｌｌ ｗｉｄｔｈ",
    "نَصٌّ كِتَابٌ क्‍ष ക്‍ഷ",
]

ODD = [
    "\x00", "a\x00b", "\x01\x02\x7f\x80\x9f", "\ufffd", "\ufffe\uffff", "\ud7ff\ue000\uf8ff", "\U0010ffff\U00010000",
    "\u200d\u200c\u200e\u200f\u202e\u2066", "▁", "▁▁a▁b", "Ġthe Ċ Ã©", "<0x41>", "<0xE2><0x82>", "\\u0041 \\x41",
    "a" * 300, "ab" * 200, "🤖" * 30, "!?" * 40,
]  # fmt: skip

SPECIAL = [
    "<|im_start|>user\nHi<|im_end|>\n", "x<|im_end|>y", "<|endoftext|>", " <|endoftext|> ", "<|im_start|", "<|IM_END|>",
    "<bos>", "a <bos> b", "<eos><pad><unk>", "<start_of_turn>user\nHi<end_of_turn>\n", "[multimodal]", "<unused7> 1",
    "<s>[INST] x [/INST]</s>", "<repo_name>a/b<file_sep>c.py\n", "<|im_start|><|im_start|>", "<|im_end|>  1",
]  # fmt: skip

CORPUS = [
    *SCRIPTS, *EMOJI, *DIGITS, *SPACES_BEFORE_DIGITS, *WHITE_SPACE, *CODE, *MARKS, *ODD, *SPECIAL, " ".join(SCRIPTS),
    "\n".join(CODE + DIGITS),
]  # fmt: skip


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    return CORPUS
