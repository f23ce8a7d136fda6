"""Mutations of study files, for `damage.py`: of bytes, lines, YAML tokens, values, and of the tree in a file."""

import random
from collections.abc import Callable
from typing import Any

import yaml

HOSTILE = [
    *("", "~", "null", "true", "no", "0", "-1", "-0.0", "1e400", "-1e400", "1e-400", ".nan", ".inf", "-.inf", "0x10"),
    *("1" * 30, "9" * 5000, "1e308", "1_000", "010", "0b1", "1:30", "2026-01-01", "=", "<<", "1.", ".5", "+1", "1,5"),
    *("[]", "{}", "[[]]", "[1, 2]", "{name: }", "{name: mlp}", "{a: {b: {c: 1}}}", "[null]", "[.nan]", "{1: 2}"),
    *(
        "''",
        "' '",
        "'\\0'",
        '"\\0"',
        '"\\x1b[31m"',
        '"\\ud800"',
        '"\\n"',
        '"é"',
        '"𝔊𝔯𝔬𝔨"',
        '"\u202etxt"',
        "'../..'",
        "'a/b'",
    ),
    *("!!int x", "!!python/object:os.system x", "!!binary aGk=", "!!set {a}", "!!float x", "!!null x", "!x y"),
    *("&a [*a]", "*b", "&c c", "? a", "- a", "|", ">-", "%", "@x", "`x`", "#", "'", '"', "{", "[", "]", "a: b: c"),
    *("mlp", "jacobian", "digits", "test_accuracy", "baseline", "x" * 300, "x" * 100_000, "a:b", "a b", "${HOME}"),
]


def of_bytes(text: str, draw: random.Random) -> bytes:
    content = bytearray(text.encode())
    for _ in range(draw.choice([1, 1, 1, 3, 10])):
        place = draw.randrange(len(content))
        match draw.randrange(4):
            case 0:
                content[place] ^= 1 << draw.randrange(8)
            case 1:
                content[place:place] = draw.randbytes(draw.choice([1, 2, 5]))
            case 2:
                del content[place : place + draw.choice([1, 2, 20])]
            case _:
                content[place:place] = content[place : place + draw.randrange(60)]
    return bytes(content)


def of_lines(text: str, draw: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    for _ in range(draw.choice([1, 1, 2])):
        place, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        match draw.randrange(5):
            case 0:
                del lines[place]
            case 1:
                lines.insert(other, lines[place])
            case 2:
                lines[place], lines[other] = lines[other], lines[place]
            case 3:
                lines[place] = draw.choice([" ", "  ", "\t", "- "]) + lines[place]
            case _:
                lines[place] = lines[place].lstrip()
        lines = lines or [""]
    return "".join(lines).encode()


def of_tokens(text: str, draw: random.Random) -> bytes:
    spans = [(token.start_mark.index, token.end_mark.index) for token in yaml.scan(text)]
    spans = [(start, stop) for start, stop in spans if stop > start]
    start, stop = draw.choice(spans)
    token, (other_start, other_stop) = text[start:stop], draw.choice(spans)
    put = draw.choice(["", f"{token} {token}", text[other_start:other_stop], f"{token},", f"[{token}]", f"-{token}"])
    return (text[:start] + put + text[stop:]).encode()


def of_values(text: str, draw: random.Random) -> bytes:
    scalars = [token for token in yaml.scan(text) if isinstance(token, yaml.ScalarToken)]
    token = draw.choice(scalars)
    put = draw.choice(HOSTILE)
    return (text[: token.start_mark.index] + put + text[token.end_mark.index :]).encode(errors="surrogatepass")


def of_structure(text: str, draw: random.Random) -> bytes:
    """Parts of the tree removed, renamed, moved, or replaced; of numbers also others near by."""
    content = yaml.safe_load(text)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(content)
    (node, key), (other, other_key) = draw.choice(places), draw.choice(places)
    value = other[other_key]
    match draw.randrange(6):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[draw.choice([key[:-1], key + "s", key.upper(), "", other_key, 1])] = node.pop(key)
        case 2:
            node[key] = value
        case 3 if isinstance(node[key], int | float):
            node[key] = draw.choice([-node[key], node[key] * 1e9, node[key] / 3, 0, [node[key]] * 3, str(node[key])])
        case 4:
            node[key] = draw.choice([None, {}, [], [node[key]], {"from": 1, "to": 0}, list(range(50)), "x" * 1000])
        case _:
            node[key] = [node[key], value]
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()


MUTATIONS: dict[str, Callable[[str, random.Random], bytes]] = {
    "bytes": of_bytes,
    "lines": of_lines,
    "tokens": of_tokens,
    "values": of_values,
    "structure": of_structure,
}
