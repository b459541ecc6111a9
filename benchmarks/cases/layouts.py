"""Random texts and pictures for layouts: many languages and lengths, pictures made to be hard."""

from __future__ import annotations

import random

import numpy as np

WORDS = {
    "en": "warm light linen lamp for slow evenings made of oak and cotton your favourite colour back "
    "in stock hand-finished stoneware mug dishwasher-safe extraordinary craftsmanship",
    "de": "Stehlampe mit Leinenschirm für lange Abende Geschirrspülmaschinenfest Handgefertigt aus "
    "Eiche und Baumwolle Lieblingsfarbe wieder verfügbar Wohnzimmereinrichtung",
    "fr": "lampe en lin pour les longues soirées d’hiver fabriquée à la main en chêne et coton votre "
    "couleur préférée est de retour élégance intemporelle",
    "es": "lámpara de lino para tardes largas hecha a mano en roble y algodón tu color favorito ha "
    "vuelto edición limitada",
    "vi": "đèn vải lanh cho những buổi tối dài được làm thủ công từ gỗ sồi màu yêu thích của bạn đã "
    "trở lại",
    "ru": "льняная лампа для долгих вечеров сделано вручную из дуба и хлопка ваш любимый цвет снова "
    "в продаже достопримечательность",
    "el": "λινό φωτιστικό για μεγάλα βράδια φτιαγμένο στο χέρι από δρυ το αγαπημένο σας χρώμα",
    "ar": "مصباح من الكتان لأمسيات طويلة مصنوع يدويًا من خشب البلوط والقطن لونك المفضل عاد إلى المتجر",
    "he": "מנורת פשתן לערבים ארוכים עבודת יד מעץ אלון וכותנה הצבע האהוב עליך חזר למלאי",
    "fa": "چراغ کتانی برای شب‌های طولانی ساخته شده از چوب بلوط و پنبه رنگ مورد علاقه شما",
    "ko": "긴 저녁을 위한 린넨 램프 손으로 만든 참나무와 면 좋아하는 색이 다시 입고되었습니다",
}
SENTENCES = {
    "ja": "長い夜にやわらかな光を届けるリネンのランプ。オークとコットンで手作りしました。お気に入りの色が再入荷。",
    "zh-Hans": "为漫长的夜晚带来柔和光线的亚麻灯。橡木与棉布手工制作。您喜爱的颜色已经到货。",
    "zh-Hant": "為漫長的夜晚帶來柔和光線的亞麻燈。橡木與棉布手工製作。您喜愛的顏色已經到貨。",
}
CALLS = {
    "en": ("Shop now", "See it in your colour"), "de": ("Jetzt ansehen", "Zum Angebot im Shop"),
    "fr": ("Découvrir", "Voir la collection"), "es": ("Comprar ahora",), "vi": ("Mua ngay",),
    "ru": ("Купить сейчас",), "el": ("Δείτε το",), "ar": ("تسوق الآن",), "he": ("לקנייה",),
    "fa": ("همین حالا بخرید",), "ko": ("지금 구매하기",), "ja": ("今すぐ購入",),
    "zh-Hans": ("立即购买",), "zh-Hant": ("立即購買",),
}  # fmt: skip
DISCLOSURES = {"en": "Sponsored", "de": "Anzeige", "fr": "Sponsorisé", "ar": "إعلان ممول",
    "he": "ממומן", "ja": "広告", "ko": "광고", "zh-Hans": "广告", "zh-Hant": "廣告"}  # fmt: skip
PRICES = ("$48.00", "€1.249,00", "9,90 €", "¥4,800", "₪199", "£5", "₩32,000", "$12,499.00")
LANGUAGES = (*WORDS, *SENTENCES)


def sentence(rng: random.Random, language: str, words: int) -> str:
    """About so many words of a language, in random order."""
    if language in SENTENCES:
        source = SENTENCES[language]
        start = rng.randrange(len(source) // 2)
        return (source + source)[start : start + max(2, words * 2)].lstrip("。、")
    known = WORDS[language].split()
    text = " ".join(rng.choice(known) for _ in range(max(1, words)))
    if rng.random() < 0.25 and language in ("ar", "he", "fa"):
        text += f" (Alba {rng.randrange(2, 60)})"
    return text + rng.choice(("", ".", "!"))


def picture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A picture that may be anything: noise, stripes, black and white, blobs, soft light."""
    width, height = size
    kind = rng.integers(0, 7)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if kind == 0:
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == 1:
        cells = int(rng.integers(4, 60))
        board = ((x // cells + y // cells) % 2 * 255).astype(np.uint8)
        return np.repeat(board[..., None], 3, axis=2)
    one, other = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    if kind == 2:
        return np.full((height, width, 3), one, np.uint8)
    if kind == 3:
        share = (np.sin(x / rng.uniform(4, 60) + y / rng.uniform(4, 60)) > 0)[..., None]
        return np.where(share, one, other).astype(np.uint8)
    if kind == 4:
        share = np.clip((x / width + y / height) / 2, 0, 1)[..., None]
        return (one * (1 - share) + other * share).astype(np.uint8)
    if kind == 5:
        return np.full((height, width, 3), int(rng.integers(0, 2)) * 255, np.uint8)
    pixels = np.full((height, width, 3), one, np.float32)
    for _ in range(12):
        far = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
        pixels[far < rng.uniform(0.05, 0.3) * width] = rng.integers(0, 256, 3)
    return pixels.astype(np.uint8)
