"""What a phone says about itself: its identity, cores, clocks, battery and heat."""

from fbsearch.devices.adb.readings.cores import (
    CoreCluster,
    CoreFrequencies,
    core_clusters,
    core_mask,
    parse_cpufreq,
)
from fbsearch.devices.adb.readings.identity import PhoneIdentity, parse_getprop
from fbsearch.devices.adb.readings.readings import (
    Conditions,
    PhoneReadings,
    parse_conditions,
    parse_readings,
)
from fbsearch.devices.adb.readings.scripts import CONDITIONS_SCRIPT, READINGS_SCRIPT, TOOLS
from fbsearch.devices.adb.readings.thermal import Battery, Thermal, parse_battery, parse_thermal

__all__ = [
    "CONDITIONS_SCRIPT",
    "READINGS_SCRIPT",
    "TOOLS",
    "Battery",
    "Conditions",
    "CoreCluster",
    "CoreFrequencies",
    "PhoneIdentity",
    "PhoneReadings",
    "Thermal",
    "core_clusters",
    "core_mask",
    "parse_battery",
    "parse_conditions",
    "parse_cpufreq",
    "parse_getprop",
    "parse_readings",
    "parse_thermal",
]
