"""Tests of the engines: how they are found, started, asked, checked and watched."""
