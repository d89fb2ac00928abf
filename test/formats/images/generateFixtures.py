"""Writes the fixtures beside this file, JPEG and PNG files and what Pillow (9.4, libjpeg-turbo 2.1) reads in them:
python3 generateFixtures.py fixtures"""

import os, sys
import numpy as np
from PIL import Image
out = sys.argv[1]
rng = np.random.RandomState(7)
h, w = 21, 34
y, x = np.mgrid[0:h, 0:w]
rgb = np.stack([x * 255 / w, y * 255 / h, 127 + 120 * np.sin(x * y / 30)], -1).clip(0, 255).astype(np.uint8)
rgb[4:9, 5:12] = (250, 20, 30)
im = Image.fromarray(rgb)
def keep(name):
    np.save(f"{out}/{name}.npy", np.asarray(Image.open(f"{out}/{name}").convert("RGB")))
im.save(f"{out}/444.jpg", quality=90, subsampling=0); keep("444.jpg")
im.save(f"{out}/420.jpg", quality=75, subsampling=2); keep("420.jpg")
im.save(f"{out}/progressive.jpg", quality=80, subsampling=2, progressive=True); keep("progressive.jpg")
im.convert("L").save(f"{out}/grey.jpg", quality=85); keep("grey.jpg")
im.convert("CMYK").save(f"{out}/cmyk.jpg", quality=85)
im.quantize(16).save(f"{out}/palette.png"); keep("palette.png")
im.convert("RGBA").save(f"{out}/alpha.png"); keep("alpha.png")
for name, size in {"down": (15, 9), "up": (50, 40), "mixed": (60, 8)}.items():
    np.save(f"{out}/{name}.npy", np.asarray(im.resize(size, Image.BILINEAR)))
np.save(f"{out}/original.npy", rgb)
np.save(f"{out}/luma.npy", np.asarray(im.convert("L"))[..., None])
