"""Texts that go wrong where data is taken for something else: all kinds of the Big List of Naughty Strings, made here."""

# ruff: noqa: RUF001 - the texts are of this kind

import unicodedata
from itertools import product

_WORDS = [
    *("undefined", "undef", "null", "NULL", "(null)", "nil", "NIL", "true", "false", "True", "False", "TRUE", "None"),
    *("hasOwnProperty", "then", "constructor", "__proto__", "__class__", "\\", "\\\\", "CON", "PRN", "AUX", "NUL.txt"),
    *("CLOCK$", "COM1", "LPT1", "A:", "ZZ:", "select", "from", "where", "user", "table", "default", "infinity", "nan"),
]
_NUMBERS = [
    *("0", "1", "1.00", "$1.00", "1/2", "1E2", "1E02", "1E+02", "-1", "-1.00", "-$1.00", "-1/2", "-1E2", "1/0", "0/0"),
    *("0.00", "0..0", ".", "0.0.0", "0,00", "0,,0", ",", "0x0", "0xffffffffffffffff", "123456789012345678901234567890"),
    *("NaN", "Infinity", "-Infinity", "INF", "1#INF", "-1#IND", "1#QNAN", "1,000.00", "1 000.00", "1'000.00", "01000"),
    *(
        "08",
        "09",
        "2.2250738585072011e-308",
        "1e-400",
        "9223372036854775808",
        "-0",
        "-0.0",
        "+1",
        "1_000",
        "0b1",
        "0o7",
    ),
    *("٠١٢٣", "１２３", "½", "²", "Ⅷ", "🄂", "一二三", "০", "൪", "𝟏𝟐"),
]
_SQL = [
    *(
        "1;DROP TABLE products",
        "1'; DROP TABLE products-- 1",
        "' OR 1=1 -- 1",
        "' OR '1'='1",
        "'; EXEC xp_cmdshell('x')",
    ),
    *(
        "admin'--",
        '" OR ""="',
        "') OR ('a'='a",
        "1 UNION SELECT NULL--",
        "'||pg_sleep(10)--",
        "%27%20OR%201=1",
        "%",
        "_",
    ),
    *(
        "\\'; DROP TABLE products; --",
        "$$; DROP TABLE products; $$",
        "E'\\x27'",
        "/* x */ --",
        "x';COPY t FROM PROGRAM 'id'",
    ),
    *(
        'name" IS NOT NULL OR "name',
        "$1::text) OR (TRUE",
        "%s %d %n",
        ":id",
        "?",
        "{column}",
        "`x`",
        "[x]",
        "U&'\\0027'",
    ),
]
_CODE = [
    *(
        "$HOME",
        "${HOME}",
        "$ENV{'HOME'}",
        "%d",
        "%s%s%s%s%s",
        "%n",
        "%x",
        "{0}",
        "{}",
        "%*.*s",
        "%@",
        "File:///",
        "{{7*7}}",
    ),
    *(
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{% print 'x' * 64 * 1024**3 %}",
        "{{ ''.__class__.__mro__[2] }}",
        "${jndi:ldap://x}",
    ),
    *(
        "-",
        "--",
        "--version",
        "--help",
        "/dev/null; touch /tmp/x; echo",
        "`touch /tmp/x`",
        "$(touch /tmp/x)",
        "; ls",
        "| ls",
    ),
    *(
        "& ls",
        "@{[system 'x']}",
        'eval("puts 1")',
        'System("ls")',
        "Kernel.exit(1)",
        "%x('ls')",
        "() { 0; }; touch /tmp/x",
    ),
    *(
        "../../../etc/passwd%00",
        "../../../../etc/hosts",
        "..\\..\\boot.ini",
        "file:///etc/passwd",
        "/etc/passwd",
        "~root",
    ),
    *(
        "=1+1",
        "+1+1",
        "@SUM(1+1)",
        "=cmd|' /C calc'!A0",
        "DCC SEND x 0 0 0",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x1bc",
    ),
    *(
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>',
        "]]>",
        "<![CDATA[",
        "<!--",
    ),
    *("*)(uid=*))(|(uid=*", "' or count(/*)=1 or 'a'='b", '{"$gt": ""}', '"},{"name":"x', "\\u0000", "&#0;", "%00"),
]
_SCRIPTS = [
    f"{before}{tag}{after}"
    for before, tag, after in product(
        ["", '"><', "'>", "</title>", "%3C"],
        ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "<svg/onload=alert(1)>"],
        ["", "//", "<!--", "\x00x"[1:]],
    )
] + [
    f'<a href="java{chr(place)}script:alert(1)">x</a>' for place in (*range(1, 33), 0x7F, 0xA0, 0x2003, 0x3000, 0xFEFF)
]
_QUOTES = [
    "'",
    '"',
    "''",
    '""',
    "'\"'",
    "\"''''\"'\"",
    "\"'\"'\"''''\"",
    "‘",
    "“”",
    "«»",
    "‚",
    "`",
    ";",
    ",",
    "\t",
    "|",
    "\\N",
    "\\.",
]
_LINES = [
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "a\nb",
    "a\r\nb",
    'a"\n"b',
    "\u2028",
    "\u2029",
    "\x85",
    "\v",
    "\f",
    " ",
    "  x  ",
    "\u3000",
]
_WORLD = [
    *(
        "Ω≈ç√∫˜µ≤≥÷",
        "åß∂ƒ©˙∆˚¬…æ",
        "œ∑´®†¥¨ˆøπ“‘",
        "¡™£¢∞§¶•ªº–≠",
        "¸˛Ç◊ı˜Â¯˘¿",
        "ÅÍÎÏ˝ÓÔÒÚÆ☃",
        "ЁЂЃЄЅІЇЈЉЊЋ",
        "⁰⁴⁵",
        "₀₁₂",
    ),
    *(
        "田中さんにあげて下さい",
        "パーティーへ行かないか",
        "和製漢語",
        "部落格",
        "사회과학원",
        "찦차를 타고",
        "울란바토르",
        "𠜎𠜱𠝹𠱓",
        "表ポあA鷗ŒéＢ逍Üßªąñ丂㐀𠀀",
    ),
    *(
        "Ⱥ",
        "Ⱦ",
        "ŉ",
        "ß",
        "İ",
        "ı",
        "ﬃ",
        "ǅ",
        "ヽ༼ຈل͜ຈ༽ﾉ",
        "(｡◕ ∀ ◕｡)",
        "(╯°□°）╯︵ ┻━┻",
        "ثم نفس سقطت",
        "בְּרֵאשִׁית",
        "הָיְתָהtestالصفحات",
    ),
    *(
        "﷽",
        "ﷺ",
        "مُنَاقَشَةُ سُبُلِ",
        "گچپژ",
        "᚛ᚄᚓᚐᚋᚒᚄ᚜",
        "ด้้้้้็็็็็้้้้้",
        "˙ɐnbᴉlɐ ɐuƃɐɯ",
        "Ｔｈｅ ｑｕｉｃｋ",
        "𝐓𝐡𝐞 𝐪𝐮𝐢𝐜𝐤",
        "𝕿𝖍𝖊",
        "⒯⒣⒠",
        "e\u0301",
        "\u00e9",
    ),
    *(
        "Scunthorpe General Hospital",
        "Penistone",
        "Herman I. Libshitz",
        "magna cum laude",
        "Craig Cockburn",
        "İstanbul",
        "Ꙭ",
    ),
]
_EMOJI = [
    *(
        "😍",
        "👩🏽",
        "👨‍🦰",
        "👾 🙇 💁 🙅",
        "🐵 🙈 🙉 🙊",
        "❤️ 💔",
        "✋🏿 💪🏿",
        "👨‍👩‍👧‍👦",
        "👨‍❤️‍💋‍👨",
        "🏳️‍🌈",
        "🇺🇸🇷🇺🇸",
        "🇺",
        "0️⃣ 1️⃣",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "\ufe0f",
        "\u200d",
    ),
    *(f"👍{chr(tone)}" for tone in range(0x1F3FB, 0x1F400)),
]
_BIDI = [f"a{mark}b{mark}" for mark in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"]
_FORMATS = [chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) == "Cf"]
_CONTROLS = [*map(chr, range(1, 32)), *map(chr, range(0x7F, 0xA0))]
_SPACES = [chr(code) for code in range(0x11_0000) if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp"}]
_LIMITS = [*map(chr, (0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x1_0000, 0x1_FFFF, 0x10_FFFF))]
_ZALGO = [
    "".join(letter + "".join(map(chr, range(0x300, 0x300 + many))) for letter in "naughty") for many in (1, 8, 64)
]

NAUGHTY = list(
    dict.fromkeys(
        [
            "",
            *(
                text
                for texts in (_WORDS, _NUMBERS, _SQL, _CODE, _SCRIPTS, _QUOTES, _LINES, _WORLD, _EMOJI)
                for text in texts
            ),
            *(text for texts in (_BIDI, _FORMATS, _CONTROLS, _SPACES, _LIMITS, _ZALGO) for text in texts),
            *("x" * 10_000, "a\x01b", "\ufeffx", "x\ufeff"),
        ]
    )
)
"""Each once. None has U+0000, which PostgreSQL cannot store."""
