"""Markdown that Discord does not know → Markdown that it shows well: tables, and formulas in a line. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterator

__all__ = ["rendered", "spoken_formula", "words_of"]

WIDEST = 76  # columns of a table that still fits a window; on a phone it can be moved
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})")
_ROW = re.compile(r"^[ \t]*\|?.*\|.*$")
_RULE = re.compile(
    r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$|^[ \t]*\|[ \t]*:?-+:?[ \t]*\|[ \t]*$"
)
_CELLS = re.compile(r"(?<!\\)\|")
_STYLED = re.compile(r"(\*\*|\*|__|~~|`)(?P<words>[^*`]+?)\1")
_INLINE = re.compile(r"\\\((?P<formula>[^\n]{1,300}?)\\\)")
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")


def rendered(text: str) -> str:
    """The same text, its tables as columns of letters of one width, and formulas in a line as plain signs."""
    lines = text.split("\n")
    shown: list[str] = []
    for at, (line, inside) in enumerate(_outside(lines)):
        shown.append(line if inside else _formulas(line))
        if not inside and _RULE.match(line) and at and _is_head(lines[at - 1], line) and len(shown) > 1:
            shown[-2:] = ["\0", line]
    return "\n".join(_with_tables(lines, shown))


def _outside(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is part of a block of code."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if fence:
            yield line, True
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif found:
            fence = found[1]
            yield line, True
        else:
            yield line, False


def _is_head(head: str, rule: str) -> bool:
    return bool(_ROW.match(head)) and len(_cells(head)) == len(_cells(rule))


def _with_tables(lines: list[str], shown: list[str]) -> Iterator[str]:
    """The lines, and each table in the place of its own lines; a table begins where `shown` has a mark."""
    at = 0
    while at < len(shown):
        if shown[at] != "\0":
            yield shown[at]
            at += 1
            continue
        head, rule = lines[at], lines[at + 1]
        end = at + 2
        while end < len(lines) and "|" in lines[end] and lines[end].strip():
            end += 1
        yield from _table(
            _cells(head), [_side(cell) for cell in _cells(rule)], [_cells(line) for line in lines[at + 2 : end]]
        )
        at = end


def _cells(line: str) -> list[str]:
    cells = _CELLS.split(line.strip())
    if cells and not cells[0].strip():
        cells = cells[1:]
    if cells and not cells[-1].strip():
        cells = cells[:-1]
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _side(rule: str) -> Callable[[str, int], str]:
    """How a column is filled up: to the left, to the right, or on both sides."""

    def fill(text: str, width: int) -> str:
        room = width - _width(text)
        if rule.startswith(":") and rule.endswith(":"):
            return " " * (room // 2) + text + " " * (room - room // 2)
        return " " * room + text if rule.endswith(":") else text + " " * room

    return fill


def _table(head: list[str], sides: list[Callable[[str, int], str]], rows: list[list[str]]) -> Iterator[str]:
    rows = [(row + [""] * len(head))[: len(head)] for row in rows]
    plain = [[words_of(cell) for cell in row] for row in (head, *rows)]
    widths = [max(_width(row[column]) for row in plain) for column in range(len(head))]
    if sum(widths) + 3 * (len(widths) - 1) > WIDEST:
        yield from _list(head, rows)
        return
    written = [
        " │ ".join(fill(cell, width) for cell, fill, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in plain
    ]
    yield "```"
    yield written[0]
    yield "─┼─".join("─" * width for width in widths)
    yield from (line.replace("```", "'''") for line in written[1:])
    yield "```"


def _list(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table that is wider than a window: each row as a list of what stands in it."""
    for row in rows:
        first, *rest = row
        yield f"- **{words_of(first)}**" if first else "-"
        yield from (f"  - {name}: {cell}" for name, cell in zip(head[1:], rest, strict=True) if cell)


def words_of(cell: str) -> str:
    """A cell without the signs that would stand there as signs among letters of one width."""
    return _STYLED.sub(lambda found: found["words"], _formulas(cell))


def _width(text: str) -> int:
    """Columns it takes: letters of East Asia are as wide as two, and marks above a letter take none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def _formulas(line: str) -> str:
    if "\\(" not in line:
        return line
    kept, end = [], 0
    for code in _CODE.finditer(line):
        kept += [_INLINE.sub(_plain, line[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*kept, _INLINE.sub(_plain, line[end:])])


def _plain(found: re.Match[str]) -> str:
    return spoken_formula(found["formula"])


_SIGNS: dict[str, str] = dict(
    re.findall(
        r"(\w+)=(\S)",
        "alpha=α beta=β gamma=γ delta=δ epsilon=ε zeta=ζ eta=η theta=θ iota=ι kappa=κ lambda=λ mu=μ nu=ν xi=ξ pi=π "
        "rho=ρ sigma=σ tau=τ upsilon=υ phi=φ chi=χ psi=ψ omega=ω Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ "
        "Phi=Φ Psi=Ψ Omega=Ω times=× cdot=· div=÷ pm=± mp=∓ leq=≤ le=≤ geq=≥ ge=≥ neq=≠ ne=≠ approx=≈ equiv=≡ sim=∼ "
        "infty=∞ partial=∂ nabla=∇ sum=∑ prod=∏ int=∫ in=∈ notin=∉ subset=⊂ cup=∪ cap=∩ to=→ rightarrow=→ leftarrow=← "
        "Rightarrow=⇒ mapsto=↦ forall=∀ exists=∃ neg=¬ ldots=… dots=… cdots=⋯ circ=∘ degree=° langle=⟨ rangle=⟩ ell=ℓ "
        "hbar=ℏ emptyset=∅",
    )
)
_UP = dict(zip("0123456789+-=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", strict=True))
_DOWN = dict(zip("0123456789+-=()aeoxijn", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓᵢⱼₙ", strict=True))
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_WORDS = re.compile(r"\\(?:text|mathrm|mathbf|mathbb|mathcal|operatorname)\s*\{([^{}]*)\}")
_RAISED = re.compile(r"([\^_])(?:\{([^{}]*)\}|(\w))")
_COMMAND = re.compile(r"\\([A-Za-z]+)(\s?)")


def spoken_formula(formula: str) -> str:
    """A short formula in plain signs: `x^2 \\leq \\frac{a}{b}` → `x² ≤ a/b`."""
    text = _WORDS.sub(r"\1", formula.strip())
    for _ in range(3):  # fractions within fractions
        text = _FRACTION.sub(lambda found: f"{_grouped(found[1])}/{_grouped(found[2])}", text)
        text = _ROOT.sub(lambda found: f"√{_grouped(found[1])}", text)
    text = text.replace("\\left", "").replace("\\right", "").replace("\\,", " ").replace("\\;", " ").replace("\\ ", " ")
    text = _COMMAND.sub(lambda found: _SIGNS.get(found[1], found[1]) + found[2], text)
    return " ".join(_RAISED.sub(_raised, text).replace("{", "").replace("}", "").replace("*", "\\*").split())


def _grouped(text: str) -> str:
    return text if re.fullmatch(r"\\?\w+|\d+", text.strip()) else f"({text.strip()})"


def _raised(found: re.Match[str]) -> str:
    signs = _UP if found[1] == "^" else _DOWN
    text: str = found[2] if found[2] is not None else found[3]
    if all(each in signs for each in text):
        return "".join(signs[each] for each in text)
    return f"{found[1]}{text}" if len(text) == 1 else f"{found[1]}({text})"
