"""The demonstration's pictures, drawn line by line: nothing in them was ever photographed.

Each is what a documentation team would bring home (an object with scale bar and colour patches,
a damaged building with a ranging pole, a tablet beside its ledger page), and each says on itself
that it is fictional. Roughness comes from SHAKE-128 of a fixed word, so the same Pillow draws
the same pixels every time.
"""

from collections.abc import Sequence
from hashlib import shake_128
from math import cos, pi, sin, sqrt

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SIZE = (1600, 1200)
CAPTION = "DEMONSTRATION: drawn, fictional, no real object or place"

_PATCHES = ("#735244", "#c29682", "#627a9d", "#576c43", "#d67e2c", "#505ba6", "#c15a63", "#e7c71f")
_GREYS = ("#f3f3f2", "#c8c8c8", "#a0a0a0", "#7a7a79", "#555555", "#343434")
_INK = "#2b2f3a"

Point = tuple[float, float]


def relief() -> Image.Image:
    """A carved limestone slab: a bearer before a stylised tree, its upper corner broken off."""
    slab: Sequence[Point] = (
        (300, 150), (960, 150), (1010, 205), (1090, 215), (1135, 290), (1205, 330),
        (1262, 420), (1300, 440), (1300, 930), (300, 930),
    )  # fmt: skip
    height = Image.new("L", SIZE, 20)
    carve = ImageDraw.Draw(height)
    carve.polygon(slab, fill=110)
    for inset, level in ((0, 135), (26, 92)):
        carve.rectangle((330 + inset, 180 + inset, 1270 - inset, 800 - inset), fill=level)
    _break_off(carve, level=20)
    _carve_bearer(carve)
    _carve_tree(carve)
    for x in range(350, 1240, 66):
        _wedges(carve, shake_128(f"relief {x}".encode()).digest(8), (x, 824), 74, level=40)
    carve.line([(300, 640), (420, 600), (470, 640), (610, 585), (640, 600)], fill=30, width=7)
    mask = Image.new("L", SIZE, 0)
    ImageDraw.Draw(mask).polygon(slab, fill=255)
    picture = _laid_on_table(height, mask, stone="#c9b994", word="limestone", table="#5d6266")
    _scale_card(picture, (300, 1000), "CER-DEMO 001   obverse")
    return picture


def shrine() -> Image.Image:
    """A shrine with a fluted spire and a minaret that lost its top, against the evening sky."""
    wide = SIZE[0]
    sky = Image.linear_gradient("L").resize(SIZE)
    picture = _coloured(sky, "#5b7fa6", "#f3cf9c")
    smoke = (
        _grain("smoke", (3200, 1200), 84, cell=80).resize(SIZE).filter(ImageFilter.GaussianBlur(30))
    )
    picture = ImageChops.soft_light(picture, smoke.convert("RGB"))
    draw = ImageDraw.Draw(picture)
    hills = [(x, 800 + 40 * sin(x / 210) + 22 * sin(x / 67)) for x in range(0, wide + 20, 20)]
    draw.polygon([*hills, (wide, 1200), (0, 1200)], fill="#a08d86")
    _draw_minaret(draw)
    _draw_shrine(draw)
    ground = [(x, 985 + 14 * sin(x / 130) + 6 * sin(x / 31)) for x in range(0, wide + 10, 10)]
    draw.polygon([*ground, (wide, 1200), (0, 1200)], fill="#8b7458")
    for n, (a, b, c, d) in enumerate(_fours("rubble", 190)):
        near = n / 190
        x = 270 + (a / 255 - 0.5) * 560 * (0.7 + near) + (560 if b > 175 else 0)
        _stone(draw, (x, 985 + near * 110 + c / 12), 8 + d / 255 * 26 * (0.6 + near), seed=a ^ c)
    for step in range(10):
        shade = "#c23b31" if step % 2 else "#efe9dc"
        draw.rectangle((1480, 640 + step * 44, 1492, 684 + step * 44), fill=shade)
    picture = ImageChops.overlay(picture, _grain("dust", SIZE, 26).convert("RGB"))
    picture = picture.filter(ImageFilter.GaussianBlur(0.9))
    _strip(picture, "CER-DEMO 002   pole: 2 m, marks of 20 cm")
    return picture


def tablet() -> Image.Image:
    """A clay tablet with wedge marks beside the ledger page that lists it."""
    height = Image.new("L", SIZE, 20)
    carve = ImageDraw.Draw(height)
    for inset in range(0, 44, 2):
        edge = (130 + inset, 150 + inset, 790 - inset, 940 - inset)
        carve.rounded_rectangle(edge, 90 - inset, fill=60 + int(sqrt(inset) * 12))
    height = height.filter(ImageFilter.GaussianBlur(9))
    carve = ImageDraw.Draw(height)
    for row, y in enumerate(range(205, 860, 64)):
        carve.line([(170, y + 58), (750, y + 56)], fill=112, width=2)
        for column, x in enumerate(range(182, 700, 62)):
            sign = shake_128(f"tablet {row} {column}".encode()).digest(8)
            if sign[7] > 24:
                _wedges(carve, sign, (x, y), 52, level=62)
    crack = [(520, 150), (545, 290), (500, 420), (560, 560), (610, 640), (800, 700)]
    carve.line(crack, fill=40, width=6, joint="curve")
    carve.polygon([(600, 950), (650, 850), (720, 820), (800, 790), (800, 950)], fill=48)
    mask = Image.new("L", SIZE, 0)
    ImageDraw.Draw(mask).rounded_rectangle((130, 150, 790, 940), 90, fill=255)
    picture = _laid_on_table(height, mask, stone="#b98d62", word="clay", table="#3f4a50")
    _ledger_page(picture)
    _scale_card(picture, (130, 1010), "CER-DEMO 003   obverse")
    return picture


def footage(still: Image.Image) -> list[Image.Image]:
    """Eighteen small frames that move across a still, as an unsteady hand would."""
    frames = []
    for n in range(18):
        left, top = 120 + n * 32 + int(14 * sin(n * 1.9)), 150 + int(16 * cos(n * 1.3))
        frame = still.crop((left, top, left + 960, top + 720)).resize((320, 240))
        frames.append(frame.quantize(64, dither=Image.Dither.NONE))
    return frames


def _grain(word: str, size: tuple[int, int], spread: int, cell: int = 1) -> Image.Image:
    """Grey noise around 128, in spots of `cell` pixels."""
    wide, high = size[0] // cell, size[1] // cell
    noise = Image.frombytes("L", (wide, high), shake_128(word.encode()).digest(wide * high))
    levels = [128 + (value - 128) * spread // 256 for value in range(256)]
    return noise.point(levels).resize(size, Image.Resampling.BICUBIC)


def _fours(word: str, count: int) -> list[tuple[int, int, int, int]]:
    rough = shake_128(word.encode()).digest(4 * count)
    return [(rough[n], rough[n + 1], rough[n + 2], rough[n + 3]) for n in range(0, 4 * count, 4)]


def _coloured(grey: Image.Image, dark: str, light: str) -> Image.Image:
    high, low = Image.new("RGB", SIZE, light), Image.new("RGB", SIZE, dark)
    return Image.composite(high, low, grey)


def _laid_on_table(
    height: Image.Image, mask: Image.Image, *, stone: str, word: str, table: str
) -> Image.Image:
    """Light a height map from the upper left and lay it, with its shadow, on a table."""
    rough = ImageChops.overlay(
        _grain(word, SIZE, 20, cell=3), _grain(word + " spots", SIZE, 70, cell=40)
    )
    height = ImageChops.add(height.filter(ImageFilter.GaussianBlur(2.2)), rough, 1.0, -128)
    height = height.filter(ImageFilter.GaussianBlur(1.1))
    light = ImageChops.subtract(ImageChops.offset(height, -3, -3), height, 0.55, 128)
    lit = ImageChops.overlay(Image.new("RGB", SIZE, stone), light.convert("RGB"))
    lit = ImageChops.soft_light(lit, height.point([90 + v // 2 for v in range(256)]).convert("RGB"))
    lit = ImageChops.overlay(lit, _grain(word + " dust", SIZE, 30).convert("RGB"))
    surface = ImageChops.overlay(
        Image.new("RGB", SIZE, table), _grain("table", SIZE, 34, cell=2).convert("RGB")
    )
    shadow = ImageChops.offset(mask, 16, 18).filter(ImageFilter.GaussianBlur(14))
    surface = Image.composite(
        Image.new("RGB", SIZE, "#17191b"), surface, shadow.point([v * 3 // 5 for v in range(256)])
    )
    return Image.composite(lit, surface, mask.filter(ImageFilter.GaussianBlur(1.2)))


def _break_off(carve: ImageDraw.ImageDraw, *, level: int) -> None:
    rim = [(960, 150), (1010, 205), (1090, 215), (1135, 290), (1205, 330), (1262, 420), (1300, 440)]
    carve.polygon([*rim, (1320, 120)], fill=level)
    carve.polygon([*rim, *((x - 26, y + 34) for x, y in reversed(rim))], fill=78)


def _carve_bearer(carve: ImageDraw.ImageDraw) -> None:
    """A robed figure in profile, facing right, carrying a vessel."""
    raised = 165
    carve.polygon([(520, 420), (640, 420), (672, 560), (690, 762), (470, 762), (492, 560)], raised)
    carve.ellipse((530, 285, 630, 405), fill=raised)
    carve.polygon([(526, 318), (540, 222), (606, 210), (640, 300)], fill=190)
    carve.line([(528, 312), (640, 296)], fill=120, width=8)
    carve.polygon([(622, 335), (648, 362), (624, 372)], fill=raised)
    carve.polygon([(580, 372), (634, 376), (640, 452), (600, 468), (572, 420)], fill=195)
    for y in range(386, 460, 14):
        carve.line([(582, y), (634, y + 5)], fill=150, width=5)
    carve.ellipse((592, 330, 612, 342), fill=95)
    for end, level in (((752, 470), 200), ((748, 540), 185)):
        carve.line([(600, 480), (690, 530), end], fill=level, width=34, joint="curve")
        carve.ellipse((end[0] - 19, end[1] - 19, end[0] + 19, end[1] + 19), fill=level)
    carve.polygon([(716, 384), (796, 384), (784, 452), (728, 452)], fill=215)
    carve.ellipse((716, 372, 796, 396), fill=140)
    for x in range(486, 690, 17):
        carve.line([(x + (580 - x) * 0.22, 610), (x, 728)], fill=128, width=5)
    carve.line([(476, 734), (688, 734)], fill=215, width=9)
    carve.line([(500, 572), (676, 572)], fill=215, width=12)
    for x in (540, 640):
        carve.rectangle((x - 34, 756, x + 40, 778), fill=raised)


def _carve_tree(carve: ImageDraw.ImageDraw) -> None:
    """A stylised tree with palmettes, and the sun disc above it."""
    carve.rectangle((938, 420, 962, 770), fill=175)
    for y in range(440, 760, 40):
        carve.rectangle((926, y, 974, y + 10), fill=205)
    for side in (-1, 1):
        for level, y in enumerate((700, 610, 520)):
            x = 950 + side * (150 - level * 22)
            box = (min(950, x), y - 70, max(950, x), y + 30)
            carve.arc(box, 0, 180, fill=180, width=13)
            for leaf in range(5):
                angle = pi * (0.1 + leaf * 0.2)
                tip = (x + 44 * cos(angle), y - 20 - 52 * sin(angle))
                carve.line([(x, y - 18), tip], fill=200, width=12)
                carve.ellipse((tip[0] - 8, tip[1] - 8, tip[0] + 8, tip[1] + 8), fill=210)
    for leaf in range(9):
        angle = pi * leaf / 8
        carve.line([(950, 420), (950 + 80 * cos(angle), 412 - 88 * sin(angle))], 205, width=13)
    carve.ellipse((800, 222, 892, 314), fill=185)
    for ray in range(8):
        angle = pi * ray / 4
        carve.line([(846, 268), (846 + 38 * cos(angle), 268 + 38 * sin(angle))], 130, width=8)


def _wedges(carve: ImageDraw.ImageDraw, sign: bytes, at: Point, size: float, *, level: int) -> None:
    """One invented sign of three to five wedges; it spells nothing."""
    for n in range(3 + sign[6] % 3):
        x = at[0] + (sign[n] % 8) / 8 * size * 0.62
        y = at[1] + (sign[n] // 32) / 8 * size * 0.62
        head, tail = size * 0.17, size * (0.45 + (sign[n + 1] % 3) * 0.12)
        ways = ((1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (0.7, 0.7))
        dx, dy = ways[sign[n] % 4]
        left, right = (x - dy * head, y + dx * head), (x + dy * head, y - dx * head)
        knee = (x + dx * head, y + dy * head)
        tip = (x + dx * tail, y + dy * tail)
        carve.polygon([left, right, (knee[0] + dy * 3, knee[1] - dx * 3), tip], fill=level)
        carve.polygon([left, (knee[0] - dy * 3, knee[1] + dx * 3), tip], fill=level - 24)


def _draw_minaret(draw: ImageDraw.ImageDraw) -> None:
    """A leaning brick shaft, its gallery and cap gone, a shell hole in its side."""
    lit, dark = "#7d5c45", "#4f3a31"
    top = [(250, 330), (268, 290), (285, 318), (308, 262), (330, 300), (352, 345)]
    draw.polygon([(205, 1000), *top, (385, 1000)], fill=lit)
    draw.polygon([(318, 280), (330, 300), (352, 345), (385, 1000), (318, 1000)], fill=dark)
    for y in range(372, 985, 30):
        left = 205 + (1000 - y) * 45 / 670
        draw.line([(left + 3, y), (316, y)], fill="#8f6d52", width=3)
        if (y // 30) % 4 == 0:
            for x in range(int(left) + 14, 312, 18):
                draw.polygon([(x, y - 18), (x + 9, y - 9), (x, y), (x - 9, y - 9)], fill="#a98561")
    hole = [(272, 560), (318, 532), (352, 575), (338, 640), (296, 655), (262, 612)]
    draw.polygon(hole, fill="#2c2220")
    draw.line([(300, 655), (312, 740), (290, 820), (305, 900)], fill="#33271f", width=5)
    for x, y, long in ((286, 300, 46), (322, 284, 60), (344, 330, 38)):
        draw.line([(x, y), (x + 16, y - long)], fill="#3b332f", width=4)


def _draw_shrine(draw: ImageDraw.ImageDraw) -> None:
    """A low court, a drum and a fluted cone; one flank of the cone has fallen in."""
    wall, shade, dark = "#c7a77c", "#95795a", "#3a2d27"
    draw.polygon([(600, 1000), (600, 760), (1130, 760), (1130, 1000)], fill=wall)
    draw.polygon(
        [(1130, 760), (1222, 760), (1230, 792), (1252, 806), (1262, 850), (1290, 868),
         (1290, 1000), (1130, 1000)], fill=shade,
    )  # fmt: skip
    draw.polygon([(590, 742), (1206, 742), (1224, 764), (590, 764)], fill="#b29169")
    for x in (660, 1010):
        draw.rectangle((x, 850, x + 74, 1000), fill=dark)
        draw.pieslice((x, 812, x + 74, 890), 180, 360, fill=dark)
    draw.rectangle((800, 810, 940, 1000), fill="#b29169")
    draw.rectangle((826, 868, 914, 1000), fill="#241c1a")
    draw.pieslice((826, 820, 914, 920), 180, 360, fill="#241c1a")
    draw.rectangle((720, 650, 1020, 745), fill="#b89a70")
    draw.rectangle((930, 650, 1020, 745), fill=shade)
    for n in range(12):
        left, right = 735 + n * 22.5, 735 + (n + 1) * 22.5
        tone = (214 - n * 9, 186 - n * 9, 146 - n * 8)
        draw.polygon([(left, 650), (right, 650), (870, 230)], fill=tone)
        draw.line([(left, 650), (870, 230)], fill=(150 - n * 4, 124 - n * 4, 94 - n * 4), width=3)
    draw.line([(870, 240), (870, 172)], fill="#6b5a3a", width=6)
    for y, size in ((214, 11), (192, 8), (172, 6)):
        draw.ellipse((870 - size, y - size, 870 + size, y + size), fill="#b9923f")
    breach = [(906, 430), (938, 445), (976, 560), (1004, 650), (930, 655), (905, 600), (925, 530)]
    draw.polygon(breach, fill=dark)
    draw.line([(906, 430), (890, 372), (896, 330)], fill=dark, width=4)
    for x, y in ((690, 790), (760, 830), (985, 800), (1090, 830), (1160, 900), (1180, 810)):
        _stone(draw, (x, y), 9, seed=x, colour=dark)


def _stone(
    draw: ImageDraw.ImageDraw, at: Point, size: float, *, seed: int, colour: str = ""
) -> None:
    tones = ("#a58a66", "#8a6f51", "#6d5743", "#bda27a")
    corners = [
        (at[0] + size * cos(n * pi / 3 + seed) * (0.7 + (seed >> n & 3) / 8),
         at[1] + size * 0.62 * sin(n * pi / 3 + seed))
        for n in range(6)
    ]  # fmt: skip
    draw.polygon([(x + size * 0.22, y + size * 0.25) for x, y in corners], fill="#4a3b2e")
    draw.polygon(corners, fill=colour or tones[seed % 4])


def _scale_card(picture: Image.Image, at: tuple[int, int], label: str) -> None:
    """The card beside the object: ten centimetres, colour patches, greys, number, caption."""
    draw = ImageDraw.Draw(picture)
    x, y = at
    draw.rectangle((x + 8, y + 10, x + 1008, y + 150), fill="#2a2d30")
    draw.rectangle((x, y, x + 1000, y + 140), fill="#f4f2ec")
    for n in range(10):
        tone = ("black", "white")[n % 2]
        draw.rectangle((x + 20 + n * 44, y + 20, x + 64 + n * 44, y + 44), fill=tone)
    draw.rectangle((x + 20, y + 20, x + 460, y + 44), outline="black", width=2)
    draw.text((x + 20, y + 50), "0", _INK, font=_font(20))
    draw.text((x + 418, y + 50), "10 cm", _INK, font=_font(20))
    for n, tone in enumerate((*_PATCHES, *_GREYS)):
        patch = (x + 490 + n * 35, y + 20, x + 523 + n * 35, y + 66)
        draw.rectangle(patch, fill=tone, outline="#b5b1a8")
    draw.text((x + 20, y + 80), label, _INK, font=_font(26))
    draw.text((x + 20, y + 112), CAPTION, "#a02020", font=_font(20))


def _strip(picture: Image.Image, label: str) -> None:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 1146, 1600, 1200), fill="#f4f2ec")
    draw.text((24, 1158), label, _INK, font=_font(26))
    draw.text((900, 1160), CAPTION, "#a02020", font=_font(23))


def _ledger_page(picture: Image.Image) -> None:
    """A ruled inventory page, one line of it marked."""
    page = Image.new("RGB", (640, 820), "#efe6cf")
    draw = ImageDraw.Draw(page)
    draw.text((40, 30), "House of Tablets, inventory, leaf 14", _INK, font=_font(28))
    for x, head in ((40, "No."), (130, "Object"), (400, "Found"), (530, "Shelf")):
        draw.text((x, 86), head, "#6b5a3a", font=_font(22))
        draw.line([(x - 12, 80), (x - 12, 790)], fill="#c9a9a0", width=2)
    objects = ("bowl, chipped", "seal, green stone", "lamp", "tablet, cracked", "bead, blue")
    for row in range(13):
        y = 128 + row * 50
        draw.line([(28, y - 8), (612, y - 8)], fill="#a9b7c4", width=2)
        if row == 3:
            draw.rectangle((28, y - 5, 612, y + 38), fill="#f2d98a")
        entry = (f"T-{101 + row}", objects[row % 5], f"trench {row % 4 + 1}", f"{row // 3 + 1} B")
        for x, words in zip((40, 130, 400, 530), entry, strict=True):
            draw.text((x, y + 2), words, _INK, font=_font(23))
    page = ImageChops.overlay(page, _grain("paper", page.size, 24, cell=4).convert("RGB"))
    turned = page.convert("RGBA").rotate(-2, Image.Resampling.BICUBIC, expand=True)
    picture.paste(turned, (880, 120), turned)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
