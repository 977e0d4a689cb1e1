"""Where volumes lie: back ends behind one Protocol."""
