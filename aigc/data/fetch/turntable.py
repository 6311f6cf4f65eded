"""Views of the furniture's 3D models on a turntable, by VTK (`pip install 'aigc[render]'`).

Three soft lights that move with the camera (key, fill and back), a perspective camera 20 degrees
above the horizon, the whole model in the picture from every side.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from aigc.data.fetch import furniture
from aigc.data.fetch.archives import Zip
from aigc.data.fetch.folder import FetchedFile
from aigc.data.fetch.options import Say
from aigc.data.fetch.pictures import encode
from aigc.errors import DataError

SIDE = 256
"""Height and width of a view in pixels."""
_SUPERSAMPLING = 2
_VIEW_ANGLE = 30.0
_ELEVATION = 20.0
_FIRST_AZIMUTH = 30.0
_MARGIN = 1.02
_AMBIENT = 0.2
_MOST_SPECULAR = 0.15
_SAY_EVERY = 100


def pictures(zips: dict[str, Zip], colour: str, views: int, say: Say) -> Iterator[FetchedFile]:
    """`views` pictures of each model in `zips` (catalogue -> zip file) on `colour` (#rrggbb).

    Raises:
        DataError: VTK is missing, cannot render here, or a model is damaged.
    """
    stage = TurntableScene(colour)
    done = 0
    for catalogue, source in zips.items():
        for product in furniture.products(catalogue, source):
            with tempfile.TemporaryDirectory() as scratch:
                model = _unpack(source, product, Path(scratch))
                for number, view in enumerate(stage.views(model, product.rotation, views)):
                    suffix = f"-view{number:02d}"
                    yield furniture.picture(product, suffix, encode(view), catalogue)
            done += 1
            if done % _SAY_EVERY == 0:
                say(f"  {done:,} models rendered")


class TurntableScene:
    """An off-screen window of VTK with a background; models are put on it one after the other."""

    def __init__(self, colour: str) -> None:
        try:
            import vtkmodules.vtkRenderingOpenGL2  # noqa: F401, PLC0415
            from vtkmodules.vtkCommonCore import vtkObject  # noqa: PLC0415
            from vtkmodules.vtkRenderingCore import vtkRenderWindow  # noqa: PLC0415
        except ImportError as error:
            raise DataError(
                f"turntable: VTK cannot be loaded ({error}); pip install 'aigc[render]', or leave "
                "--turntable out"
            ) from None
        vtkObject.GlobalWarningDisplayOff()
        self._background = [channel / 255 for channel in ImageColor.getrgb(colour)[:3]]
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(SIDE * _SUPERSAMPLING, SIDE * _SUPERSAMPLING)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(1)

    def views(self, model: Path, rotation: tuple[float, ...], count: int) -> Iterator[Image.Image]:
        """RGB pictures of an OBJ file from `count` equally spaced sides, SIDE x SIDE.

        `rotation` is a 3x3 matrix, row by row, or empty. Raises DataError: nothing can be seen.
        """
        renderer = self._renderer()
        self._window.AddRenderer(renderer)
        try:
            self._load(renderer, model, rotation)
            camera = renderer.GetActiveCamera()
            for number in range(count):
                _aim(camera, renderer.ComputeVisiblePropBounds(), number / count * 360)
                renderer.ResetCameraClippingRange()
                self._window.Render()
                yield self._picture()
        finally:
            self._window.RemoveRenderer(renderer)

    def _renderer(self) -> Any:
        from vtkmodules.vtkRenderingCore import vtkLightKit, vtkRenderer  # noqa: PLC0415

        renderer = vtkRenderer()
        renderer.SetBackground(*self._background)
        renderer.SetUseDepthPeeling(1)
        renderer.SetMaximumNumberOfPeels(16)
        lights = vtkLightKit()
        lights.SetKeyLightIntensity(0.75)
        lights.SetKeyToFillRatio(1.8)
        lights.SetKeyToHeadRatio(2.2)
        lights.AddLightsToRenderer(renderer)
        return renderer

    def _load(self, renderer: Any, model: Path, rotation: tuple[float, ...]) -> None:
        from vtkmodules.vtkIOImport import vtkOBJImporter  # noqa: PLC0415

        importer = vtkOBJImporter()
        importer.SetFileName(str(model))
        if model.with_suffix(".mtl").exists():
            importer.SetFileNameMTL(str(model.with_suffix(".mtl")))
        importer.SetTexturePath(str(model.parent))
        importer.SetRenderWindow(self._window)
        importer.Update()
        for actor in renderer.GetActors():
            if rotation:
                actor.SetUserMatrix(_matrix(rotation))
            _soften(actor.GetProperty())
        low_x, high_x = renderer.ComputeVisiblePropBounds()[:2]
        if not (math.isfinite(low_x) and low_x <= high_x):
            raise DataError(f"{model.name}: VTK finds no surface in it")

    def _picture(self) -> Image.Image:
        from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: PLC0415
        from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter  # noqa: PLC0415

        side = SIDE * _SUPERSAMPLING
        grab = vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.SetInputBufferTypeToRGB()
        grab.ReadFrontBufferOff()
        grab.Update()
        pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        if pixels.shape != (side * side, 3):
            raise DataError("turntable: VTK cannot render off-screen here (no EGL or OSMesa)")
        array = pixels.reshape(side, side, 3)[::-1]
        image = Image.fromarray(np.ascontiguousarray(array))
        return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _aim(camera: Any, bounds: tuple[float, ...], azimuth: float) -> None:
    """The camera so far away that the sphere around `bounds` fills the picture."""
    low, high = np.array(bounds[0::2]), np.array(bounds[1::2])
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-6)
    distance = _MARGIN * radius / math.sin(math.radians(_VIEW_ANGLE / 2))
    turn, rise = math.radians(_FIRST_AZIMUTH + azimuth), math.radians(_ELEVATION)
    ray = (math.sin(turn) * math.cos(rise), math.sin(rise), math.cos(turn) * math.cos(rise))
    camera.SetViewAngle(_VIEW_ANGLE)
    camera.SetViewUp(0, 1, 0)
    camera.SetFocalPoint(*centre)
    camera.SetPosition(*(centre + distance * np.array(ray)))


def _soften(surface: Any) -> None:
    """Light that all catalogues' materials share: their own ambient terms make whites flat."""
    surface.SetAmbientColor(surface.GetDiffuseColor())
    surface.SetAmbient(_AMBIENT)
    surface.SetDiffuse(1 - _AMBIENT)
    surface.SetSpecular(min(surface.GetSpecular(), _MOST_SPECULAR))


def _matrix(rotation: tuple[float, ...]) -> Any:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4  # noqa: PLC0415

    matrix = vtkMatrix4x4()
    for place, value in enumerate(rotation):
        matrix.SetElement(place // 3, place % 3, value)
    return matrix


def _unpack(source: Zip, product: furniture.Product, folder: Path) -> Path:
    """The model's OBJ file with its materials and textures, all in `folder`; returns its path."""
    inside = str(PurePosixPath(product.model).parent) + "/"
    for member in sorted(source.names):
        name = PurePosixPath(member).name
        if member == inside + name and name.isprintable() and not name.startswith("."):
            data = source.read(member)
            (folder / name).write_bytes(_surfaces(data) if name.endswith(".obj") else data)
    return folder / PurePosixPath(product.model).name


def _surfaces(obj: bytes) -> bytes:
    """An OBJ file without faces of fewer than three corners, which VTK does not read."""
    lines = obj.split(b"\n")
    return b"\n".join(line for line in lines if line[:2] != b"f " or len(line.split()) > 3)
