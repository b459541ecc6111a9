"""Figures with their protocol, their controls and their uncertainty."""
