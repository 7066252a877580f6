"""Drawn boards: every piece in its place, arrows for moves, whole XML of its own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from outgrow.chess import board as chess
from outgrow.chess.drawing import SIZE, drawn, of_prompt

SVG = "{http://www.w3.org/2000/svg}"


def uses(svg: str) -> dict[tuple[float, float], str]:
    """The colour and letter of each piece by its place, in squares from the upper left."""
    found = re.findall(r'<use class="(\w+)" href="#\w+-(\w)" x="([\d.]+)" y="([\d.]+)"/>', svg)
    return {(float(x) / SIZE, float(y) / SIZE): f"{colour} {piece}" for colour, piece, x, y in found}


def test_the_side_to_move_is_below() -> None:
    """White's king stands on e1: fifth of the last row for White, fourth of the first for Black."""
    white = uses(drawn(chess.parse(chess.START), {}, ""))
    assert len(white) == 32
    assert (white[4, 7], white[3, 7], white[4, 0]) == ("white k", "white q", "black k")
    black = uses(drawn(chess.play(chess.parse(chess.START), "e2e4"), {}, ""))
    assert (black[3, 0], black[3, 3]) == ("white k", "white p")


def test_moves_are_arrows_with_words() -> None:
    svg = drawn(chess.parse(chess.START), {"student": "e2e4", "right": "g1f3"}, 'a "board" & more')
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert [title.text for title in root.iter(f"{SVG}title")] == ["right: g1f3", "student: e2e4"]
    assert root.get("aria-label") == 'a "board" & more'
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids)) == 6
    path = root.findall(f"{SVG}g/{SVG}path")[1].get("d") or ""
    assert path.startswith(f"M{4.5 * SIZE:.1f} ")  # from e2 upwards
    assert "<script" not in svg
    assert "http" not in svg


def test_a_prompt_of_moves_is_drawn_where_they_lead() -> None:
    prompt = f"{chess.position_text(chess.parse(chess.START))} e2e4 e7e5"
    svg = of_prompt(prompt, {"right": "g1f3", "student": " b1c3", "supervisor": "yes"})
    assert uses(svg)[4, 4] == "white p"
    assert uses(svg)[4, 3] == "black p"
    assert "White to move" in svg
    assert svg.count("<polygon") == 2  # yes is no move


def test_equal_positions_have_equal_ids_and_others_do_not() -> None:
    first, again = (drawn(chess.parse(chess.START), {"right": "e2e4"}, "") for _ in range(2))
    assert first == again
    other = drawn(chess.parse(chess.START), {"right": "d2d4"}, "")
    assert set(re.findall(r'id="([^"]+)"', first)).isdisjoint(re.findall(r'id="([^"]+)"', other))
