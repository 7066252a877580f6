"""A position as SVG, with arrows for moves. It follows the reader's light or dark mode, and fetches nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape

from outgrow.chess.board import FILES, RANKS, SQUARES, Board, fen, play, position_key, read_position

SIZE = 40.0  # of a square
GLYPHS = dict(zip("kqrbnp", "♚♛♜♝♞♟", strict=True))
MOVE = re.compile(r"(?:[a-h][1-8]){2}[bnqr]?")
STYLE = (
    "svg.board{--light:#e9e3d5;--dark:#a8b5a2;--right:#1fb98a;--student:#0b4f8a;--supervisor:#d9730d;--other:#8a3d99}"
    "svg.board .white{fill:#fff;stroke:#1f2430}svg.board .black{fill:#1f2430;stroke:#fff}"
    "svg.board text{fill:#4a4f45;font:9px system-ui,sans-serif}"
    "@media screen and (prefers-color-scheme:dark){svg.board{--light:#b9b4a8;--dark:#77866f}}"
)


def of_prompt(prompt: str, marked: Mapping[str, str]) -> str:
    """The board of a prompt, a position and maybe moves from it, with arrows for what is `marked` and is a move."""
    words = prompt.split()
    end = next(i for i, word in enumerate(words, 1) if word.startswith("ep:"))
    board = read_position(" ".join(words[:end]))
    for move in words[end:]:
        board = play(board, move)
    moves = {meaning: choice.strip() for meaning, choice in marked.items() if MOVE.fullmatch(choice.strip())}
    side = "White" if position_key(fen(board)).split()[1] == "w" else "Black"
    described = "; ".join(f"{meaning} {move}" for meaning, move in moves.items())
    return drawn(board, moves, f"Position, {side} to move: {fen(board)}{f'; {described}' if described else ''}")


def drawn(board: Board, moves: Mapping[str, str], words: str) -> str:
    """The board from the side to move, as SVG. moves: in UCI, by what the arrow means: `right`, `student`,
    `supervisor`, or another word, which share a colour. words: the text alternative."""
    pieces, side, *_ = position_key(fen(board)).split()
    turned, whole = side == "b", 8 * SIZE
    own = hashlib.sha256(repr((pieces, side, moves)).encode()).hexdigest()[:8]  # ids of this board on a page
    outlines = (f'<path id="{own}-{piece}" d="{_outline(piece)}"/>' for piece in GLYPHS if piece in pieces.lower())
    inside = "".join([*_squares(turned), *_pieces(pieces, turned, own), *_arrows(moves, turned)])
    return (
        f'<svg class="board" viewBox="0 0 {whole:g} {whole:g}" role="img" aria-label="{escape(words)}">'
        f"<style>{STYLE}</style><defs>{''.join(outlines)}</defs>{inside}</svg>"
    )


def _corner(square: str, turned: bool) -> tuple[float, float]:
    """The upper left corner of a square."""
    column, row = FILES.index(square[0]), RANKS.index(square[1])
    return ((7 - column if turned else column) * SIZE, (row if turned else 7 - row) * SIZE)


def _squares(turned: bool) -> Iterator[str]:
    """The squares, with the names of files and ranks at two edges."""
    dark = (square for square in SQUARES if (FILES.index(square[0]) + RANKS.index(square[1])) % 2 == 0)
    path = "".join("M{:g} {:g}h{s:g}v{s:g}h-{s:g}z".format(*_corner(square, turned), s=SIZE) for square in dark)
    yield f'<rect width="{8 * SIZE:g}" height="{8 * SIZE:g}" fill="var(--light)"/><path d="{path}" fill="var(--dark)"/>'
    for file, rank in zip(FILES, RANKS, strict=True):
        yield f'<text x="2" y="{_corner(file + rank, turned)[1] + 10:g}">{rank}</text>'
        yield f'<text x="{_corner(file + rank, turned)[0] + SIZE - 7:g}" y="{8 * SIZE - 3:g}">{file}</text>'


def _pieces(rows: str, turned: bool, own: str) -> Iterator[str]:
    for rank, row in zip(reversed(RANKS), rows.split("/"), strict=True):
        column = 0
        for letter in row:
            if letter.isdigit():
                column += int(letter)
                continue
            x, y = _corner(FILES[column] + rank, turned)
            side = "white" if letter.isupper() else "black"
            yield f'<use class="{side}" href="#{own}-{letter.lower()}" x="{x:g}" y="{y:g}"/>'
            column += 1


def _arrows(moves: Mapping[str, str], turned: bool) -> Iterator[str]:
    """An arrow for each move, the first on top and thinner, so that one below it on the same squares is seen."""
    for i, (meaning, move) in enumerate(reversed(list(moves.items())), 1):
        (x, y), (to_x, to_y) = (_corner(square, turned) for square in (move[:2], move[2:4]))
        length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
        across, up = (to_x - x) / length, (to_y - y) / length
        x, y = x + SIZE / 2 + across * 9, y + SIZE / 2 + up * 9
        tip_x, tip_y = to_x + SIZE / 2, to_y + SIZE / 2
        end_x, end_y = tip_x - across * 13, tip_y - up * 13
        width = 4.0 + 3.0 * (len(moves) - i)
        colour = f"var(--{meaning})" if meaning in ("right", "student", "supervisor") else "var(--other)"
        wing_x, wing_y = up * (5 + width / 2), across * (5 + width / 2)
        ends = (tip_x, tip_y), (end_x - wing_x, end_y + wing_y), (end_x + wing_x, end_y - wing_y)
        head = " ".join(f"{a:.1f},{b:.1f}" for a, b in ends)
        yield (
            f'<g opacity=".85"><title>{escape(meaning)}: {escape(move)}</title>'
            f'<path d="M{x:.1f} {y:.1f}L{end_x:.1f} {end_y:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'
            f'<polygon points="{head}" fill="{colour}"/></g>'
        )


@cache
def _outline(piece: str) -> str:
    """The outline of a piece within a square, as the data of a path: the glyph of a font that matplotlib brings, since
    readers may have none."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans")
    path = TextPath((0, 0), GLYPHS[piece], size=SIZE, prop=font)
    (left, low), (right, high) = path.get_extents().get_points()
    dx, dy = (SIZE - left - right) / 2, (SIZE + low + high) / 2
    data = []
    for points, code in path.iter_segments(curves=True, simplify=False):
        places = " ".join(f"{dx + x:.1f} {dy - y:.1f}" for x, y in points.reshape(-1, 2))
        data.append({1: f"M{places}", 2: f"L{places}", 3: f"Q{places}", 4: f"C{places}"}.get(int(code), "Z"))
    return "".join(data)
