"""Networks of infinite width (arXiv:2312.03386): their kernels, and what Jacobian-regularised training makes of them.

f(x) = kappa / sqrt(n) W_{L+1} h_L,  g_1 = W_1 x,  g_l = W_l h_{l-1} / sqrt(n),  h_l = phi(g_l)

n is the width of the L hidden layers, all weights start standard normal, and phi is scaled so that E[phi(z)^2] = 1 for
a standard normal z. For n to infinity, f at initialisation is a Gaussian process (its covariance is the NNGP kernel),
and in training its tangent kernel is constant (the NTK). The Jacobian NTK is that of f and its input derivatives:

    Theta_ab(x, x') = <grad_theta J_a f(x), grad_theta J_b f(x')>,  J_0 f = f,  J_a f = df/dx_a

One file an idea: activations, the dual activations of each (dual, series), both kernels (recursion), Theta as an
operator that is never built (operator), functions of it (lanczos), training by gradient flow (dynamics), its end
(regression), the features it is made of (eigenfeatures), and the kernel of a network of finite width (finite).
"""

DENSE = 5_000
"""Up to so many rows, kernels are decomposed in full; above, they are only applied."""
