"""Batches: shuffled, augmented, normalised, and the same for the same seed and epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fbsearch.data.augmentation import Augmentation
from fbsearch.data.decoding import default_threads
from fbsearch.data.images import ImageSet
from fbsearch.errors import DataError

Batch = tuple[Tensor, Tensor]

_ORDER, _AUGMENTATION = 1, 2  # apart, so that the order and the draws of an epoch are independent


@dataclass(frozen=True)
class ProcessShare:
    """One of several processes that share the images.

    Args:
        rank: which one, from 0.
        world_size: how many there are.

    Raises:
        DataError: if there is no such process.
    """

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise DataError(f"loader: rank {self.rank} of {self.world_size} is impossible")


class Loader:
    """Batches of an image set.

    A batch depends on the seed, the epoch and its number alone, so that an epoch can be repeated bit for
    bit, and ``world_size`` processes with ``batch_size`` each see together what one process with
    ``batch_size * world_size`` sees.

    Args:
        image_set: the images.
        batch_size: images per batch and process.
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, likewise.
        augmentation: how images vary; None: they do not.
        seed: of the order and the augmentation.
        drop_last: leave out a last batch that is not full.
        shuffle: a new order each epoch.
        num_workers: threads that prepare batches ahead; 0: none, batches are made when asked for;
            None: as many as there are processors where images must be decoded, two beside a GPU, else 0.
        share: which of several processes this is; None: the only one.

    Raises:
        DataError: if there is no batch, or a number is out of range.
    """

    def __init__(
        self,
        image_set: ImageSet,
        *,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        drop_last: bool = False,
        shuffle: bool = False,
        num_workers: int | None = None,
        share: ProcessShare | None = None,
    ) -> None:
        share = share or ProcessShare()
        if batch_size < 1:
            raise DataError(f"loader: batch_size {batch_size} is impossible")
        if len(mean) != image_set.in_channels or len(std) != image_set.in_channels:
            raise DataError(
                f"loader: mean and std need one value for each of {image_set.in_channels} channels"
            )
        if len(image_set) < (batch_size * share.world_size if drop_last else 1):
            raise DataError(
                f"loader: {len(image_set)} images do not fill a batch of {batch_size * share.world_size}: "
                "use a smaller batch or more images"
            )
        self.image_set = image_set
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.num_workers = _default_workers(image_set) if num_workers is None else num_workers
        self.rank = share.rank
        self.world_size = share.world_size
        self._scale = torch.tensor([1 / (255 * value) for value in std], dtype=torch.float32)
        self._shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float32)

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        full, rest = divmod(len(self.image_set), self.batch_size * self.world_size)
        # The last images are shared as evenly as can be; with fewer than processes, some get none.
        return full + int(not self.drop_last and rest > self.rank)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The images of an epoch by their positions in the set, batch after batch, of all processes."""
        order = np.arange(len(self.image_set))
        if self.shuffle:
            return np.random.default_rng([self.seed, epoch, _ORDER]).permutation(order)
        return order

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Yields:
            Images, float32 ``B x C x H x W`` in channels-last memory, normalised, and labels, int64 ``B``.
        """
        order = self.order(epoch)

        def make(step: int) -> Batch:
            return self._batch(order, epoch, step)

        if self.num_workers == 0:
            return map(make, range(len(self)))
        return _ahead(make, len(self), self.num_workers)

    def _batch(self, order: NDArray[np.int64], epoch: int, step: int) -> Batch:
        size = self.batch_size * self.world_size
        positions = np.array_split(order[step * size : (step + 1) * size], self.world_size)
        mine = positions[self.rank]
        if self.augmentation is None:
            images = self.image_set.pixels.read(mine)
        else:
            rng = np.random.default_rng([self.seed, epoch, _AUGMENTATION, step])
            drawn = self.augmentation.draw(rng, sum(map(len, positions)))
            draws = np.array_split(drawn, self.world_size)[self.rank]
            images = self.image_set.pixels.read(mine, self.augmentation.crops(draws))
            images = self.augmentation.apply(images, draws)
        return self._normalise(images), torch.from_numpy(self.image_set.labels[mine])

    def _normalise(self, images: NDArray[np.uint8]) -> Tensor:
        """``B x H x W x C`` bytes to ``B x C x H x W`` floats."""
        batch, height, width, channels = images.shape
        rows = torch.from_numpy(np.ascontiguousarray(images)).view(batch, height, width * channels).float()
        rows.mul_(self._scale.repeat(width)).add_(self._shift.repeat(width))  # rows are long: fast
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _ahead(make: Callable[[int], Batch], count: int, num_workers: int) -> Iterator[Batch]:
    """``make(0), make(1), ...``, made in threads up to two per thread ahead, in order."""
    with ThreadPoolExecutor(num_workers) as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in range(count):
                waiting.append(pool.submit(make, step))
                if len(waiting) > 2 * num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _default_workers(image_set: ImageSet) -> int:
    if not image_set.is_in_memory:
        return default_threads()
    return 2 if torch.cuda.is_available() else 0
