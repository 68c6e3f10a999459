"""Images: where they come from, how they vary, how they come in batches."""

from fbsearch.data.augmentation import Augmentation
from fbsearch.data.images import ImageSet
from fbsearch.data.loader import Loader, ProcessShare
from fbsearch.data.source import CorruptImage, DataSplits, load_data

__all__ = ["Augmentation", "CorruptImage", "DataSplits", "ImageSet", "Loader", "ProcessShare", "load_data"]
